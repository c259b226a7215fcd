// Uses the generated types to sign in, list the sessions, read errors, refresh and sign out.
import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { components, paths } from './heirloom.js'

const { issuer, public_client: publicClient, user } = JSON.parse(process.env['HEIRLOOM'] ?? '{}') as {
  issuer: string
  public_client: { client_id: string }
  user: { username: string, password: string }
}
const { client_id } = publicClient

const api = createClient<paths>({ baseUrl: issuer })
const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }

// Sign in.
const signedIn = await api.POST('/oauth/token', { body: { grant_type: 'password', client_id, ...user, scope: 'account' }, ...form })
if (signedIn.error) throw new Error(signedIn.error.error_description)
const tokens: components['schemas']['TokenBody'] = signedIn.data
const expires: number = tokens.expires_in
assert.ok(expires > 0)

// List the sessions.
const headers = { Authorization: `Bearer ${tokens.access_token}` }
const listed = await api.GET('/account/sessions', { headers, params: { query: { limit: 10 } } })
if (listed.error) throw new Error(JSON.stringify(listed.error))
const current = listed.data.sessions.find((session) => session.current)
assert.equal(current?.client_id, client_id)

// Read an error of heirloom's own API.
const unknown = await api.DELETE('/account/sessions/{id}', { headers, params: { path: { id: 'nobody' } } })
assert.equal(unknown.response.status, 404)
assert.ok(unknown.error && 'title' in unknown.error)
const problem: components['schemas']['Problem'] = unknown.error
assert.equal(problem.type, 'urn:heirloom:problem:not-found')

// Read an error of RFC 6749.
const refused = await api.POST('/oauth/token', { body: { grant_type: 'password', client_id, username: user.username, password: 'wrong' }, ...form })
assert.equal(refused.response.status, 400)
const error: components['schemas']['ErrorBody'] | undefined = refused.error
assert.equal(error?.error, 'invalid_grant')

// Refresh, and sign out.
assert.ok(tokens.refresh_token)
const refreshed = await api.POST('/oauth/token', { body: { grant_type: 'refresh_token', client_id, refresh_token: tokens.refresh_token }, ...form })
assert.ok(refreshed.data?.refresh_token)
assert.notEqual(refreshed.data.refresh_token, tokens.refresh_token)
const signedOut = await api.POST('/oauth/revoke', { body: { client_id, token: refreshed.data.refresh_token }, ...form })
assert.equal(signedOut.response.status, 200)
const after = await api.GET('/account/sessions', { headers })
assert.equal(after.response.status, 401)
assert.equal(after.error && 'type' in after.error ? after.error.type : '', 'urn:heirloom:problem:invalid-token')
console.log('generated client: signed in, listed, read two errors, refreshed, signed out')
