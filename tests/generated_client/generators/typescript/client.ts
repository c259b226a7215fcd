// Signs in, lists the sessions, refreshes and signs out, by openapi-generator's client for TypeScript and axios.
import assert from 'node:assert/strict'
import { isAxiosError } from 'axios'
import { AccountApi, Configuration, TokensApi, type ErrorBody } from './index.js'

const env = (name: string): string => process.env[name] ?? ''
const [basePath, clientId] = [env('ISSUER'), env('CLIENT_ID')]
const tokens = new TokensApi(new Configuration({ basePath }))

const { data: signedIn } = await tokens.token('password', env('USERNAME'), env('PASSWORD'), undefined, undefined, undefined, undefined, 'account', undefined, undefined, clientId)
const account = new AccountApi(new Configuration({ basePath, accessToken: signedIn.access_token }))
const { data: listed } = await account.listSessions(undefined, 10)
assert.ok(listed.sessions.some((session) => session.current && session.client_id === clientId))
const refresh = async (token: string | undefined) => (await tokens.token('refresh_token', undefined, undefined, token, undefined, undefined, undefined, undefined, undefined, undefined, clientId)).data
const refreshed = await refresh(signedIn.refresh_token)
assert.notEqual(refreshed.refresh_token, signedIn.refresh_token)
await tokens.revoke(refreshed.refresh_token ?? '', undefined, clientId)
await assert.rejects(refresh(refreshed.refresh_token), (error) => {
  assert.ok(isAxiosError<ErrorBody>(error))
  return error.response?.data.error === 'invalid_grant'
})
