// aws-jwt-verify, which also verifies tokens of other issuers than AWS.
import { JwtExpiredError, JwtInvalidAudienceError, JwtInvalidIssuerError, JwtInvalidSignatureError } from 'aws-jwt-verify/error'
import { at, checkResourceServer } from './resource-server.mjs'

import { JwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'

function verifier(issuer, audience, jwks) {
  // It fetches keys by https only: this is for http on loopback alone.
  const fetcher = { fetch: async (url) => (await fetch(url)).arrayBuffer() }
  const jwksCache = new SimpleJwksCache({ fetcher })
  return JwtVerifier.create({ issuer, audience, jwksUri: jwks, scope: 'read' }, { jwksCache })
}

await checkResourceServer({
  packages: ['aws-jwt-verify'],
  open({ issuer, audience, jwks, now }) {
    const verify = async (token) => {
      const { scope, roles } = await opened.verify(token)
      return { scope: scope.split(' '), roles }
    }
    const opened = verifier(issuer, audience, jwks)
    return (token) => (now ? at(now, () => verify(token)) : verify(token))
  },
  because: {
    expired: JwtExpiredError,
    audience: JwtInvalidAudienceError,
    issuer: JwtInvalidIssuerError,
    signature: JwtInvalidSignatureError,
  },
})
