// simple-oauth2: credentials in the header, in both of its encodings, and in the body.
import { Challenge, checkClient, userinfo } from './client.mjs'
import { server } from './report.mjs'

import { ResourceOwnerPassword } from 'simple-oauth2'

const open = (issuer, id, secret, options) =>
  new ResourceOwnerPassword({ client: { id, secret }, auth: { tokenHost: issuer }, options })
const signIn = (client, username, password, scope) => client.getToken({ username, password, scope })
const refresh = (token, parameters) => token.refresh(parameters)
const signOut = (token) => token.revoke('refresh_token')
const errorCode = (error) => error.data?.payload?.error // of a Boom error

const options = {
  basic: { authorizationMethod: 'header' },
  'basic loose': { authorizationMethod: 'header', credentialsEncodingMode: 'loose' },
  post: { authorizationMethod: 'body' },
  none: { authorizationMethod: 'body' }, // with an empty secret
  'none in the header': { authorizationMethod: 'header' },
}

function connect({ id, secret }, style) {
  const client = open(server.issuer, id, secret, options[style])
  return {
    signIn: (scope, password = server.password) => signIn(client, server.username, password, scope),
    refresh: (session, scope) => refresh(session, scope && { scope }),
    revoke: signOut,
    userinfo: ({ token }) => userinfo({
      url: `${server.issuer}/oauth/userinfo`,
      headers: { Authorization: `Bearer ${token.access_token}` },
    }),
    read: ({ token }) => ({
      tokenType: token.token_type,
      expiresIn: token.expires_in,
      accessToken: token.access_token,
      refreshToken: token.refresh_token,
      scope: token.scope,
    }),
    refusal(error) {
      if (error instanceof Challenge) return error.code
      if (!error.isBoom) throw error
      return errorCode(error)
    },
  }
}

await checkClient({
  packages: ['simple-oauth2'],
  styles: Object.keys(options),
  connect,
  cannot: () => ({ introspect: 'it has none: https://github.com/lelylan/simple-oauth2/blob/5.x/API.md' }),
})
