// express-jwt, with the keys from jwks-rsa.
import { verifierOf } from './express.mjs'
import { checkResourceServer } from './resource-server.mjs'

import { expressjwt } from 'express-jwt'
import jwksRsa from 'jwks-rsa'

const protect = (jwks, issuer, audience, options) => expressjwt({
  secret: jwksRsa.expressJwtSecret({ jwksUri: jwks, cache: true, rateLimit: true, jwksRequestsPerMinute: 10 }),
  issuer,
  audience,
  algorithms: ['RS256'],
  ...options,
})

const read = ({ auth }) => ({ scope: auth.scope.split(' '), roles: auth.roles })

await checkResourceServer({
  packages: ['jwks-rsa', 'express-jwt'],
  open({ jwks, issuer, audience, now }) {
    const options = now && { clockTimestamp: Math.floor(now / 1000) }
    return verifierOf([protect(jwks, issuer, audience, options)], read)
  },
  because: {
    expired: { status: 401, message: 'jwt expired' },
    audience: { status: 401, message: /^jwt audience invalid/ },
    issuer: { status: 401, message: /^jwt issuer invalid/ },
    signature: { status: 401, message: 'invalid signature' },
  },
})
