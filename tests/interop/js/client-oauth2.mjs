// client-oauth2: its credentials are always in the header, and never encoded.
import { Challenge, checkClient, userinfo } from './client.mjs'
import { server } from './report.mjs'

import ClientOAuth2 from 'client-oauth2'

const open = (issuer, clientId, clientSecret) =>
  new ClientOAuth2({ clientId, clientSecret, accessTokenUri: `${issuer}/oauth/token` })
const signIn = (client, username, password, scopes) => client.owner.getToken(username, password, { scopes })
const refresh = (token, body) => token.refresh({ body })
const errorCode = (error) => error.body?.error // if error.code is EAUTH

function connect({ id, secret }) {
  const client = open(server.issuer, id, secret)
  return {
    signIn: (scope, password = server.password) => signIn(client, server.username, password, scope.split(' ')),
    refresh: (session, scope) => refresh(session, scope && { scope }),
    userinfo: (session) => userinfo(session.sign({ method: 'GET', url: `${server.issuer}/oauth/userinfo` })),
    read: (session) => ({
      tokenType: session.tokenType,
      expiresIn: session.data.expires_in,
      accessToken: session.accessToken,
      refreshToken: session.refreshToken,
      scope: session.data.scope,
    }),
    refusal(error) {
      if (error instanceof Challenge) return error.code
      if (error.code !== 'EAUTH') throw error
      return errorCode(error)
    },
  }
}

const none = 'it has none: https://github.com/mulesoft/js-client-oauth2#readme'

await checkClient({
  packages: ['client-oauth2'],
  styles: ['basic', 'none'],
  connect,
  cannot: { revoke: none, introspect: none },
})
