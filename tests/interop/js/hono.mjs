// hono, with its middleware for keys from a URL.
import { at, checkResourceServer } from './resource-server.mjs'
import { server } from './report.mjs'

import { Hono } from 'hono'
import { jwk } from 'hono/jwk'

function app({ issuer, audience, typ, jwks }) {
  const app = new Hono()
  const verification = { iss: issuer, aud: audience, typ }
  app.use('/messages', jwk({ jwks_uri: jwks, alg: ['RS256'], verification }))
  app.get('/messages', (c) => {
    const { scope, roles } = c.get('jwtPayload')
    return c.json({ scope: scope.split(' '), roles })
  })
  app.onError((error, c) => c.json(error.cause?.name ?? error.message, error.status ?? 500))
  return app
}

async function call(app, token) {
  const answer = await app.request('/messages', { headers: { Authorization: `Bearer ${token}` } })
  const said = await answer.json()
  if (!answer.ok) throw Object.assign(new Error(said), { status: answer.status })
  return said
}

await checkResourceServer({
  packages: ['hono'],
  open({ now, ...settings }) {
    const opened = app({ typ: server.typ, ...settings })
    return (token) => (now ? at(now, () => call(opened, token)) : call(opened, token))
  },
  because: {
    expired: { status: 401, message: 'JwtTokenExpired' },
    audience: { status: 401, message: 'JwtTokenAudience' },
    issuer: { status: 401, message: 'JwtTokenIssuer' },
    signature: { status: 401, message: 'JwtTokenSignatureMismatched' },
  },
})
