// What the apps that sign people in have in common: an Express app with sessions, at the address that the runner says.
import { readFileSync } from 'node:fs'
import express from 'express'
import session from 'express-session'

export const settings = {
  issuer: process.env.HEIRLOOM_ISSUER,
  id: process.env.HEIRLOOM_CLIENT_ID,
  secret: process.env.HEIRLOOM_CLIENT_SECRET,
  publicId: process.env.HEIRLOOM_PUBLIC_CLIENT_ID,
  idWithoutPkce: process.env.HEIRLOOM_CLIENT_ID_WITHOUT_PKCE,
  secretWithoutPkce: process.env.HEIRLOOM_CLIENT_SECRET_WITHOUT_PKCE,
  app: process.env.HEIRLOOM_APP,
  scope: process.env.HEIRLOOM_APP_SCOPE,
}

/**
 * Serves an app of a library; `routes` adds what the library does. `cannot` says why it has no API for a check, `more` what
 * else is told of it.
 */
export async function serve(library, cannot, routes, more = {}) {
  const file = new URL(`node_modules/${library}/package.json`, import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8'))
  const app = express()
  app.use(session({ secret: 'of this run', resave: false, saveUninitialized: true }))
  app.get('/about', (_, response) => response.json({ library, version, cannot, ...more }))
  app.get('/', (_, response) => response.send('signed out'))
  await routes(app)
  app.use((error, _, response, next) => {
    console.error(error)
    response.status(500).json(`${error.error ?? ''} ${error.message} ${error.cause ?? ''}`)
  })
  app.listen(Number(process.env.HEIRLOOM_APP_PORT), '127.0.0.1')
}
