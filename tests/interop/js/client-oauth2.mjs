// client-oauth2. It always sends the credentials in the header, and never encodes them.
import { Challenge, checkClient, userinfo } from './client.mjs'
import { server } from './report.mjs'

import ClientOAuth2 from 'client-oauth2'

const open = (issuer, clientId, clientSecret, request) =>
  new ClientOAuth2({ clientId, clientSecret, accessTokenUri: `${issuer}/oauth/token` }, request)
const request = async (method, url, body, headers) => {
  const response = await fetch(url, { method, body, headers })
  return { status: response.status, body: await response.text() }
}
const signIn = (client, username, password, scopes) => client.owner.getToken(username, password, { scopes })
const refresh = (token, body) => token.refresh({ body })
const errorCode = (error) => error.body?.error // if error.code is EAUTH

function connect({ id, secret }, style) {
  const client = open(server.issuer, id, secret, style.includes('fetch') ? request : undefined)
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

const none = 'it has none: https://github.com/mulesoft-labs/js-client-oauth2#readme'
const crash = 'Node.js ends with ERR_INTERNAL_ASSERTION when requests at once reuse a connection of popsicle-transport-http 1.2; ' +
  'with a request function of your own it works: https://github.com/mulesoft-labs/js-client-oauth2#usage'

await checkClient({
  packages: ['client-oauth2'],
  // At most three run at once: the last of those without fetch begins when the first is done.
  styles: ['basic', 'basic fetch', 'none fetch', 'none'],
  connect,
  cannot: (style) => ({
    revoke: none,
    introspect: none,
    ...(!style.includes('fetch') && { 'concurrent refresh': crash }),
  }),
})
