// jose, with createRemoteJWKSet.
import { checkResourceServer } from './resource-server.mjs'
import { server } from './report.mjs'

import { createRemoteJWKSet, jwtVerify } from 'jose'

function verifier({ issuer, audience, typ, jwks, now }) {
  const keys = createRemoteJWKSet(new URL(jwks), { timeoutDuration: 60_000 })
  return async (token) => {
    const options = { issuer, audience, typ, algorithms: ['RS256'], currentDate: now }
    const { payload } = await jwtVerify(token, keys, options)
    return { scope: payload.scope.split(' '), roles: payload.roles }
  }
}

await checkResourceServer({
  packages: ['jose'],
  open: (settings) => verifier({ typ: server.typ, ...settings }),
  because: {
    expired: { code: 'ERR_JWT_EXPIRED' },
    audience: { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'aud' },
    issuer: { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'iss' },
    signature: { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' },
  },
  cooldown: 30,
})
