// express-oauth2-jwt-bearer, normal and strict. Only the strict one checks `typ` (RFC 9068).
import assert from 'node:assert/strict'
import { verifierOf } from './express.mjs'
import { accessToken, at, checkResourceServer } from './resource-server.mjs'
import { server } from './report.mjs'

import { auth, claimIncludes, requiredScopes } from 'express-oauth2-jwt-bearer'

const protect = (issuerBaseURL, audience, options) => [
  auth({ issuerBaseURL, audience, tokenSigningAlg: 'RS256', ...options }),
  requiredScopes('read'),
  claimIncludes('roles', 'user'),
]

const read = ({ auth: { payload } }) => ({ scope: payload.scope.split(' '), roles: payload.roles })

async function open({ issuer, audience, now }, strict) {
  const verify = await verifierOf(protect(server.issuer, audience, { issuer, strict, timeoutDuration: 60_000 }), read)
  return now ? (token) => at(now, () => verify(token)) : verify
}

const because = {
  expired: { status: 401, message: '"exp" claim timestamp check failed' },
  audience: { status: 401, message: "Unexpected 'aud' value" },
  issuer: { status: 401, message: "Unexpected 'iss' value" },
  signature: { status: 401, message: 'signature verification failed' },
}

/** Why the strict one can't be run; undefined if it can be. */
async function excuse() {
  if (server.typ === 'at+jwt') return undefined
  const verify = await open(server, true)
  await assert.rejects(verify(await accessToken('read')), { status: 401, message: "Unexpected 'typ' value" })
  return 'strict is for at+jwt alone: https://auth0.github.io/node-oauth2-jwt-bearer/interfaces/AuthOptions.html#strict'
}

for (const style of ['normal', 'strict']) {
  const strict = style === 'strict'
  await checkResourceServer({
    packages: ['express-oauth2-jwt-bearer'],
    style,
    open: (settings) => open(settings, strict),
    because,
    cooldown: 30,
    cannot: strict ? await excuse() : undefined,
  })
}
