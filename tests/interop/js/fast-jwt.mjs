// fast-jwt, with the keys from get-jwks.
import { checkResourceServer } from './resource-server.mjs'
import { server } from './report.mjs'

import { createVerifier } from 'fast-jwt'
import buildGetJwks from 'get-jwks'

function verifier(issuer, audience, options) {
  const jwks = buildGetJwks({ issuersWhitelist: [issuer] })
  return createVerifier({
    key: ({ header }) => jwks.getPublicKey({ kid: header.kid, alg: header.alg, domain: issuer }),
    algorithms: ['RS256'],
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims: ['exp'],
    cache: true,
    ...options,
  })
}

await checkResourceServer({
  packages: ['get-jwks', 'fast-jwt'],
  open({ issuer, audience, now }) {
    const verify = verifier(server.issuer, audience, { allowedIss: issuer, checkTyp: server.typ, clockTimestamp: now?.getTime() })
    return async (token) => {
      const payload = await verify(token)
      return { scope: payload.scope.split(' '), roles: payload.roles }
    }
  },
  because: {
    expired: { code: 'FAST_JWT_EXPIRED' },
    audience: { code: 'FAST_JWT_INVALID_CLAIM_VALUE', message: /^The aud claim/ },
    issuer: { code: 'FAST_JWT_INVALID_CLAIM_VALUE', message: /^The iss claim/ },
    signature: { code: 'FAST_JWT_INVALID_SIGNATURE' },
  },
})
