// openid-client 6 in an app that signs people in.
import * as client from 'openid-client'
import { serve, settings } from './app.mjs'

const { issuer, id, secret, app: base, scope } = settings

const config = await client.discovery(new URL(issuer), id, {}, client.ClientSecretBasic(secret), {
  execute: [client.allowInsecureRequests], // for http on loopback alone
})

async function login(request, response) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() }
  request.session.checks = checks
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: `${base}/callback`,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...request.query, // prompt=login, for example
  })
  response.redirect(url.href)
}

async function callback(request, response) {
  const tokens = await client.authorizationCodeGrant(config, new URL(request.url, base), request.session.checks)
  const { sub, auth_time } = tokens.claims()
  const { preferred_username } = await client.fetchUserInfo(config, tokens.access_token, sub)
  Object.assign(request.session, { tokens, sub })
  response.json({ sub, auth_time, name: preferred_username })
}

async function refresh(request, response) {
  const before = request.session.tokens
  const tokens = await client.refreshTokenGrant(config, before.refresh_token)
  request.session.tokens = tokens
  response.json({ sub: tokens.claims().sub, changed: tokens.access_token !== before.access_token })
}

function logout(request, response) {
  const url = client.buildEndSessionUrl(config, {
    post_logout_redirect_uri: `${base}/`,
    id_token_hint: request.session.tokens.id_token,
  })
  request.session.destroy(() => response.redirect(url.href))
}

await serve('openid-client', {}, (app) => {
  app.get('/login', login)
  app.get('/callback', callback)
  app.get('/refresh', refresh)
  app.get('/logout', logout)
})
