// oauth4webapi, with both of its discovery algorithms.
import { checkClient } from './client.mjs'
import { server } from './report.mjs'

import * as oauth from 'oauth4webapi'

const options = { [oauth.allowInsecureRequests]: true } // for http on loopback alone

async function discover(issuer, algorithm) { // oauth2 and oidc find the same
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...options })
  return oauth.processDiscoveryResponse(issuer, response)
}

async function signIn({ as, client, authentication }, username, password, scope) {
  const parameters = { username, password, scope }
  const response = await oauth.genericTokenEndpointRequest(as, client, authentication, 'password', parameters, options)
  return oauth.processGenericTokenEndpointResponse(as, client, response)
}

async function refresh({ as, client, authentication }, tokens, additionalParameters) {
  const response = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, {
    additionalParameters,
    ...options,
  })
  return oauth.processRefreshTokenResponse(as, client, response)
}

async function signOut({ as, client, authentication }, tokens) {
  const response = await oauth.revocationRequest(as, client, authentication, tokens.refresh_token, options)
  return oauth.processRevocationResponse(response)
}

/** The OAuth error code of what was thrown. */
async function errorCode(error) {
  if (error instanceof oauth.ResponseBodyError) return error.error
  if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
  // The library looks at the challenge of a 401 first. One of a resource server has the code in it; for a client that
  // authenticates by Basic it is in the body.
  const [{ scheme, parameters }] = error.cause
  return scheme === 'bearer' ? parameters.error : (await error.response.json()).error
}

async function introspect({ as, client, authentication }, token) {
  const response = await oauth.introspectionRequest(as, client, authentication, token, options)
  return oauth.processIntrospectionResponse(as, client, response)
}

const authentications = { basic: oauth.ClientSecretBasic, post: oauth.ClientSecretPost, none: oauth.None }

async function connect({ id, secret }, style) {
  const [algorithm, name] = style.split(' ')
  const as = await discover(new URL(server.issuer), algorithm)
  const context = { as, client: { client_id: id }, authentication: authentications[name](secret) }
  return {
    signIn: (scope, password = server.password) => signIn(context, server.username, password, scope),
    refresh: (session, scope) => refresh(context, session, scope && { scope }),
    revoke: (session) => signOut(context, session),
    introspect: (session) => introspect(context, session.refresh_token),
    async userinfo(session) {
      const url = new URL('/oauth/userinfo', server.issuer)
      return (await oauth.protectedResourceRequest(session.access_token, 'GET', url, undefined, undefined, options)).json()
    },
    read: (session) => ({
      tokenType: session.token_type,
      expiresIn: session.expires_in,
      accessToken: session.access_token,
      refreshToken: session.refresh_token,
      scope: session.scope,
    }),
    refusal: errorCode,
  }
}

await checkClient({
  packages: ['oauth4webapi'],
  styles: ['oidc basic', 'oidc post', 'oidc none', 'oauth2 basic', 'oauth2 post', 'oauth2 none'],
  connect,
})
