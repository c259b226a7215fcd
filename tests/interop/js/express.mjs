// An Express app on loopback in front of a middleware that verifies tokens.
import { once } from 'node:events'
import express from 'express'

/** A verifier. It calls an app, which answers the result of `read` for a request that passed all of `middleware`. */
export async function verifierOf(middleware, read) {
  const app = express()
  app.get('/messages', ...middleware, (request, response) => response.json(read(request)))
  app.use((error, request, response, next) => response.status(error.status ?? 500).json(error.message))
  const listener = app.listen(0, '127.0.0.1').unref()
  await once(listener, 'listening')
  const url = `http://127.0.0.1:${listener.address().port}/messages`
  return async (token) => {
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}`, Connection: 'close' } })
    const said = await answer.json()
    if (!answer.ok) throw Object.assign(new Error(said), { status: answer.status })
    return said
  }
}
