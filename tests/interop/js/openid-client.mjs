// openid-client 6, with both of its discovery algorithms.
import { checkClient } from './client.mjs'
import { server } from './report.mjs'

import * as client from 'openid-client'

const discover = (issuer, clientId, authentication, algorithm) =>
  client.discovery(new URL(issuer), clientId, {}, authentication, {
    algorithm, // oauth2 and oidc find the same
    execute: [client.allowInsecureRequests], // for http on loopback alone
  })
const signIn = (config, username, password, scope) =>
  client.genericGrantRequest(config, 'password', { username, password, scope })
const refresh = (config, tokens, parameters) => client.refreshTokenGrant(config, tokens.refresh_token, parameters)
const signOut = (config, tokens) => client.tokenRevocation(config, tokens.refresh_token)

/** The OAuth error code of what was thrown. */
async function errorCode(error) {
  if (error instanceof client.ResponseBodyError) return error.error
  if (!(error instanceof client.WWWAuthenticateChallengeError)) throw error
  // The library looks at the challenge of a 401 first. One of a resource server has the code in it; for a client that
  // authenticates by Basic it is in the body.
  const [{ scheme, parameters }] = error.cause
  return scheme === 'bearer' ? parameters.error : (await error.response.json()).error
}

const authentications = { basic: client.ClientSecretBasic, post: client.ClientSecretPost, none: client.None }

async function connect({ id, secret }, style) {
  const [algorithm, authentication] = style.split(' ')
  const config = await discover(server.issuer, id, authentications[authentication](secret), algorithm)
  return {
    signIn: (scope, password = server.password) => signIn(config, server.username, password, scope),
    refresh: (session, scope) => refresh(config, session, scope && { scope }),
    revoke: (session) => signOut(config, session),
    introspect: (session) => client.tokenIntrospection(config, session.refresh_token),
    async userinfo(session) {
      const url = new URL('/oauth/userinfo', server.issuer)
      return (await client.fetchProtectedResource(config, session.access_token, url, 'GET')).json()
    },
    read: (session) => ({
      tokenType: session.token_type,
      expiresIn: session.expiresIn(),
      accessToken: session.access_token,
      refreshToken: session.refresh_token,
      scope: session.scope,
    }),
    refusal: errorCode,
  }
}

await checkClient({
  packages: ['openid-client'],
  styles: ['oidc basic', 'oidc post', 'oidc none', 'oauth2 basic', 'oauth2 post', 'oauth2 none'],
  connect,
})
