// An app that signs people in with oauth4webapi, step by step.
import * as oauth from 'oauth4webapi'

const loopback = { [oauth.allowInsecureRequests]: true } // for http on loopback alone
const base = window.location.origin
const issuer = new URL(window.settings.issuer)
const client = { client_id: window.settings.clientId }
const discovered = await oauth.discoveryRequest(issuer, loopback)
const server = await oauth.processDiscoveryResponse(issuer, discovered)
const keep = (name, value) => window.sessionStorage.setItem(name, JSON.stringify(value))
const kept = (name) => JSON.parse(window.sessionStorage.getItem(name))

async function signIn(prompt) {
  const verifier = oauth.generateRandomCodeVerifier()
  const checks = { verifier, state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() }
  keep('checks', checks)
  const url = new URL(server.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: `${base}/callback`,
    response_type: 'code',
    scope: 'openid profile offline_access read',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.state,
    nonce: checks.nonce,
    ...(prompt && { prompt }),
  })
  window.location.assign(url)
}

async function callback() {
  const { verifier, state, nonce } = kept('checks')
  const answer = oauth.validateAuthResponse(server, client, new URL(window.location), state)
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, oauth.None(), answer, `${base}/callback`, verifier, loopback)
  await take(await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce, requireIdToken: true }))
}

async function take(tokens) {
  const { sub, auth_time } = oauth.getValidatedIdTokenClaims(tokens)
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, loopback)
  const { preferred_username } = await oauth.processUserInfoResponse(server, client, sub, response)
  keep('tokens', { ...tokens, said: { access_token: tokens.access_token, sub, auth_time, name: preferred_username } })
}

async function refresh() {
  const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), kept('tokens').refresh_token, loopback)
  await take(await oauth.processRefreshTokenResponse(server, client, response))
}

function signOut() {
  const url = new URL(server.end_session_endpoint)
  url.search = new URLSearchParams({ id_token_hint: kept('tokens').id_token, post_logout_redirect_uri: `${base}/` })
  window.location.assign(url)
}

let error
if (window.location.pathname === '/callback') {
  await callback().catch((reason) => { error = reason })
}
window.app = { signIn, refresh, signOut, said: () => (error ? { error: error.error ?? String(error) } : kept('tokens').said) }
