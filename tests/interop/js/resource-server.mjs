// The checks of a resource server. A program verifies tokens with its library; this module checks the results.
//
// `open(settings)` makes a verifier: a function that takes a token and resolves to `{ scope, roles }`, or rejects. It
// fetches the keys from `jwks`, with the library's own cache. The settings are
//     issuer, audience, jwks    what a token must have, and where the keys are
//     now                       the time to verify at, if not now: a Date
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mock } from 'node:test'
import { promisify } from 'node:util'
import { claims, header, reporter, server } from './report.mjs'

const settings = {
  issuer: server.issuer,
  audience: server.audience,
  jwks: `${server.issuer}/.well-known/jwks.json`,
}

/**
 * Runs all checks of a library. `because` has the library's message for each refusal, `cooldown` the seconds for which it
 * does not fetch the keys again, `cannot` the reason why no check is possible.
 */
export async function checkResourceServer({ packages, style, open, because, cooldown = 0, cannot }) {
  const report = reporter(packages, 'resource server', style)
  const verifier = (other) => open({ ...settings, ...other })
  for (const [name, run] of Object.entries(checks)) {
    if (cannot) report.notSupported(name, cannot)
    else await report.check(name, () => run(verifier, { because, cooldown }))
  }
  report.print()
}

/** Runs something with the process's clock changed, for a library without a clock option. */
export async function at(now, run) {
  mock.timers.enable({ apis: ['Date'], now })
  try {
    return await run()
  } finally {
    mock.timers.reset()
  }
}

/** Signs in as a client does, and returns the access token. */
export async function accessToken(scope) {
  const form = { grant_type: 'password', client_id: server.publicId, username: server.username, password: server.password, scope }
  const answer = await fetch(`${server.issuer}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) })
  assert.equal(answer.status, 200, await answer.clone().text())
  return (await answer.json()).access_token
}

const checks = {
  async 'accepts a token'(open) {
    const verify = await open()
    const token = await accessToken('read write')
    assert.equal(header(token).typ, server.typ)
    await verify(token)
  },

  async 'refuses an expired token'(open, { because }) {
    const token = await accessToken('read')
    const when = (seconds) => new Date((claims(token).exp + seconds) * 1000)
    await (await open({ now: when(-10) }))(token)
    await assert.rejects((await open({ now: when(10) }))(token), because.expired)
  },

  async 'refuses another audience'(open, { because }) {
    const verify = await open({ audience: 'https://api.example.com' })
    await assert.rejects(verify(await accessToken('read')), because.audience)
    // Also a token of the same user for heirloom's own API, which is always at+jwt.
    await assert.rejects((await open())(await accessToken('profile')), server.typ === 'at+jwt' ? because.audience : Error)
  },

  async 'refuses another issuer'(open, { because }) {
    const verify = await open({ issuer: 'https://id.example.com' })
    await assert.rejects(verify(await accessToken('read')), because.issuer)
  },

  async 'refuses a changed signature'(open, { because }) {
    const verify = await open()
    const token = await accessToken('read')
    const [head, body, signature] = token.split('.')
    const bytes = Buffer.from(signature, 'base64url')
    bytes[100] ^= 1
    await assert.rejects(verify([head, body, bytes.toString('base64url')].join('.')), because.signature)
    await verify(token)
  },

  async 'reads scope and roles'(open) {
    const verify = await open()
    assert.deepEqual(await verify(await accessToken('read write')), { scope: ['read', 'write'], roles: ['user'] })
    assert.deepEqual(await verify(await accessToken('read')), { scope: ['read'], roles: ['user'] })
  },

  async 'key rotation with a warm cache'(open, { cooldown }) {
    const verify = await open()
    const old = await accessToken('read')
    await verify(old)
    await promisify(execFile)('sh', ['-c', server.rotate])
    const young = await accessToken('read')
    assert.notEqual(header(young).kid, header(old).kid)
    await at(Date.now() + cooldown * 1000, async () => {
      await verify(young)
      await verify(old)
    })
  },
}
