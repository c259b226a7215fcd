// axios with axios-auth-refresh: all requests that get a 401 wait for one refresh, and are then repeated.
import assert from 'node:assert/strict'
import { checkClient, expire, sameSuccessor } from './client.mjs'
import { server } from './report.mjs'

import axios from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'

/**
 * Asks one of heirloom's endpoints. A client that authenticates by Basic has its id and secret in `client.auth`, as
 * `username` and `password`; any other has `client_id`, and `client_secret` if there is one, in `client.form`.
 */
async function ask(client, path, form) {
  const body = new URLSearchParams({ ...client.form, ...form })
  return (await axios.post(client.issuer + path, body, { auth: client.auth })).data
}

const signIn = async (client, username, password, scope) =>
  ({ client, tokens: await ask(client, '/oauth/token', { grant_type: 'password', username, password, scope }) })

async function refresh(session, parameters) {
  const { refresh_token } = session.tokens
  session.tokens = await ask(session.client, '/oauth/token', { grant_type: 'refresh_token', refresh_token, ...parameters })
}

/** An axios that calls with the newest access token, and refreshes when it has expired. */
function authorized(session, config) {
  const api = axios.create(config)
  api.interceptors.request.use((request) => {
    request.headers.Authorization = `Bearer ${session.tokens.access_token}`
    return request
  })
  // With `true` only the first of several 401s at once is tried again (issue 307 of axios-auth-refresh); with `false` all
  // of them wait for the one refresh that the first began.
  createAuthRefresh(api, () => refresh(session), { deduplicateRefresh: false })
  return api
}

const errorCode = (error) => error.response?.data?.error

const AT_ONCE = 8
const endpoint = `${server.issuer}/oauth/userinfo`

/** How often each refresh token was sent. */
const sent = new Map()
axios.interceptors.request.use((request) => {
  const token = request.data instanceof URLSearchParams && request.data.get('refresh_token')
  if (token) sent.set(token, (sent.get(token) ?? 0) + 1)
  return request
})

/** Sends several requests at once that all get a 401, from one page or from several that share the session. */
async function callAtOnce(apis) {
  const answers = await Promise.all(apis.map((api) => api.get(endpoint)))
  for (const { status, data } of answers) assert.deepEqual([status, data.sub.length], [200, 36])
}

function connect({ id, secret }, style) {
  const client = { issuer: server.issuer, ...{
    basic: { auth: { username: id, password: secret } },
    post: { form: { client_id: id, client_secret: secret } },
    none: { form: { client_id: id } },
  }[style] }
  return {
    signIn: (scope, password = server.password) => signIn(client, server.username, password, scope),
    async refresh(session, scope) {
      const next = { ...session }
      await refresh(next, scope && { scope })
      return next
    },
    revoke: ({ tokens }) => ask(client, '/oauth/revoke', { token: tokens.refresh_token }),
    introspect: ({ tokens }) => ask(client, '/oauth/introspect', { token: tokens.refresh_token }),
    async userinfo({ tokens }) {
      const headers = { Authorization: `Bearer ${tokens.access_token}` }
      return (await axios.get(endpoint, { headers })).data
    },
    read: ({ tokens }) => ({
      tokenType: tokens.token_type,
      expiresIn: tokens.expires_in,
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token,
      scope: tokens.scope,
    }),
    refusal(error) {
      if (!axios.isAxiosError(error)) throw error
      const challenge = /^Bearer .*error="([a-z_]+)"/.exec(error.response.headers['www-authenticate'])
      return challenge?.[1] ?? errorCode(error)
    },
  }
}

const own = {
  async 'expired access token'(client) {
    const session = await client.signIn('profile')
    const before = client.read(session)
    await expire(client, session)
    await callAtOnce(Array(AT_ONCE).fill(authorized(session)))
    assert.equal(sent.get(before.refreshToken), 1, 'there is more than one refresh')
    sameSuccessor(before, [client.read(session)])
  },

  // Several pages, each with its own axios, that begin with the same tokens.
  async 'concurrent refresh'(client) {
    const session = await client.signIn('profile')
    const pages = Array.from({ length: AT_ONCE }, () => ({ ...session }))
    await expire(client, session)
    await callAtOnce(pages.map((page) => authorized(page)))
    sameSuccessor(client.read(session), pages.map(client.read))
    await client.refresh(pages[0])
  },
}

await checkClient({ packages: ['axios', 'axios-auth-refresh'], styles: ['basic', 'post', 'none'], connect, own })
