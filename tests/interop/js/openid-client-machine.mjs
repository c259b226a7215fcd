// openid-client 6 as a client that acts for itself; jose is the resource server.
import assert from 'node:assert/strict'
import { refused } from './client.mjs'
import { reporter, server } from './report.mjs'

import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'

const discover = (issuer, clientId, authentication) =>
  client.discovery(new URL(issuer), clientId, {}, authentication, {
    execute: [client.allowInsecureRequests], // for http on loopback alone
  })
const ownToken = (config) => client.clientCredentialsGrant(config, { scope: 'read' })

/** The OAuth error code of a refusal, which for Basic is a challenge with the code in its body. */
async function refusal(error) {
  if (error instanceof client.ResponseBodyError) return error.error
  if (!(error instanceof client.WWWAuthenticateChallengeError)) throw error
  return (await error.response.json()).error
}

const authentications = { basic: client.ClientSecretBasic, post: client.ClientSecretPost }

async function check(style) {
  const config = await discover(server.issuer, server.id, authentications[style](server.secret))
  const report = reporter(['openid-client'], 'machine client', style)

  await report.check('token of its own', async () => {
    const tokens = await ownToken(config)
    assert.equal(tokens.token_type.toLowerCase(), 'bearer')
    assert.equal(tokens.refresh_token, undefined)
    assert.equal(tokens.scope, 'read')
    assert.ok(tokens.expiresIn() > 0 && tokens.expiresIn() <= server.accessTokenSeconds)
  })

  await report.check('same token again', async () => {
    assert.equal((await ownToken(config)).access_token, (await ownToken(config)).access_token)
  })

  await report.check('claims of the token', async () => {
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', server.issuer), { timeoutDuration: 60_000 })
    const { issuer, audience, typ } = server
    const { access_token } = await ownToken(config)
    const { payload } = await jwtVerify(access_token, keys, { issuer, audience, typ, algorithms: ['RS256'] })
    const { sub, client_id, scope, roles } = payload
    assert.deepEqual([sub, client_id, scope, roles], [server.id, server.id, 'read', undefined])
  })

  await report.check('wrong secret', async () => {
    const wrong = await discover(server.issuer, server.id, authentications[style](`${server.secret}!`))
    assert.equal(await refused({ refusal }, () => ownToken(wrong)), 'invalid_client')
  })

  report.print()
}

for (const style of Object.keys(authentications)) await check(style)
