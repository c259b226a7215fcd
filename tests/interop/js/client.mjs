// The checks of a client library. A program does each thing with its library; this module checks the results.
//
// `connect({ id, secret }, style)` makes a client of the library, which has
//     signIn(scope, password)    refresh(session, scope)    revoke(session)    introspect(session)
//     userinfo(session)    the user's claims from /oauth/userinfo, by the library's own way to call with a token
//     read(session)        { tokenType, expiresIn, accessToken, refreshToken, scope }, as the library shows them
//     refusal(error)       the OAuth error code in the library's own typed error; throws any other error again
// A session is the library's own object for a token response.
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { claims, reporter, server } from './report.mjs'

const AT_ONCE = 8
// The server counts a sign-in as a failure until it has succeeded, and delays a user's eleventh failure. So each style
// uses one wrong password, and has one sign-in under way.
const STYLES_AT_ONCE = 3

/**
 * Runs all checks of a library in each of its styles, several at once. A style with `none` in its name is a public client.
 * `own` has checks that the program does itself, `cannot` says for a style why some checks are not possible.
 */
export async function checkClient({ packages, styles, connect, own = {}, cannot = () => ({}) }) {
  const all = Object.entries({ ...checks, ...own })
  const one = async (style) => {
    const isPublic = style.includes('none')
    const credentials = isPublic ? { id: server.publicId, secret: '' } : { id: server.id, secret: server.secret }
    const excuses = { ...(isPublic && publicClientsCannot), ...cannot(style) }
    const report = reporter(packages, 'client', style)
    const open = (other) => connect({ ...credentials, ...other }, style)
    for (const [name, run] of all) {
      if (excuses[name]) report.notSupported(name, excuses[name])
      else await report.check(name, async () => run(await open(), { isPublic, open }))
    }
    return report
  }
  for (let first = 0; first < styles.length; first += STYLES_AT_ONCE) {
    const reports = await Promise.all(styles.slice(first, first + STYLES_AT_ONCE).map(one))
    for (const report of reports) report.print()
  }
}

const publicClientsCannot = {
  introspect: 'who introspects must authenticate, which public clients cannot: RFC 7662 §2.1',
}

/** The error code of a refusal. */
export async function refused(client, run) {
  try {
    await run()
  } catch (error) {
    return client.refusal(error)
  }
  throw new assert.AssertionError({ message: 'it was not refused' })
}

/** Calls until the access token has really expired, and checks the error. */
export async function expire(client, session) {
  assert.match((await client.userinfo(session)).sub, /^[0-9a-f-]{36}$/)
  const deadline = Date.now() + (server.accessTokenSeconds + 10) * 1000
  for (;;) {
    try {
      await client.userinfo(session)
    } catch (error) {
      assert.equal(await client.refusal(error), 'invalid_token')
      return
    }
    assert.ok(Date.now() < deadline, 'the access token does not expire')
    await delay(100)
  }
}

/** Checks that all got the same successor, of the same family. */
export function sameSuccessor(before, after) {
  assert.equal(new Set(after.map(({ refreshToken }) => refreshToken)).size, 1, 'there are several successors')
  assert.notEqual(after[0].refreshToken, before.refreshToken)
  for (const { accessToken } of after) assert.equal(claims(accessToken).sid, claims(before.accessToken).sid)
}

const checks = {
  async 'sign in'(client) {
    const { tokenType, expiresIn, accessToken, refreshToken, scope } = client.read(await client.signIn('read write'))
    assert.equal(tokenType.toLowerCase(), 'bearer')
    assert.ok(expiresIn > 0 && expiresIn <= server.accessTokenSeconds, `expires in ${expiresIn}`)
    assert.match(refreshToken, /^hrt_/)
    assert.equal(scope, 'read write')
    assert.equal(claims(accessToken).iss, server.issuer)
  },

  refresh: (client) => refreshTimes(client, 1),
  'refresh again': (client) => refreshTimes(client, 2),

  async 'concurrent refresh'(client) {
    const session = await client.signIn('read write')
    const all = await Promise.all(Array.from({ length: AT_ONCE }, () => client.refresh(session)))
    sameSuccessor(client.read(session), all.map(client.read))
    const next = await client.refresh(all.at(-1))
    assert.notEqual(client.read(next).refreshToken, client.read(all[0]).refreshToken)
  },

  async 'expired access token'(client) {
    const session = await client.signIn('profile')
    await expire(client, session)
    assert.match((await client.userinfo(await client.refresh(session))).sub, /^[0-9a-f-]{36}$/)
  },

  async 'wrong password'(client) {
    assert.equal(await refused(client, () => client.signIn('read', `${server.password}!`)), 'invalid_grant')
  },

  async 'wrong secret'(client, { isPublic, open }) {
    const wrong = await open(isPublic ? { id: 'nobody' } : { secret: `${server.secret}!` })
    assert.equal(await refused(client, () => wrong.signIn('read')), 'invalid_client')
  },

  async 'narrower scope'(client) {
    const narrow = await client.refresh(await client.signIn('read write'), 'read')
    assert.equal(client.read(narrow).scope, 'read')
    assert.equal(claims(client.read(narrow).accessToken).scope, 'read')
    const wide = await client.refresh(narrow)
    assert.equal(client.read(wide).scope, 'read write')
    assert.equal(claims(client.read(wide).accessToken).scope, 'read write')
  },

  async revoke(client) {
    const session = await client.signIn('read')
    await client.revoke(session)
    assert.equal(await refused(client, () => client.refresh(session)), 'invalid_grant')
  },

  async introspect(client) {
    const session = await client.signIn('read')
    const active = await client.introspect(session)
    assert.deepEqual([active.active, active.client_id, active.scope], [true, server.id, 'read'])
    await client.revoke(session)
    assert.deepEqual(await client.introspect(session), { active: false })
  },
}

async function refreshTimes(client, times) {
  let session = await client.signIn('read write')
  for (let time = 0; time < times; time += 1) {
    const before = client.read(session)
    session = await client.refresh(session)
    const after = client.read(session)
    assert.match(after.refreshToken, /^hrt_/)
    assert.notEqual(after.refreshToken, before.refreshToken)
    assert.notEqual(after.accessToken, before.accessToken)
    assert.equal(after.scope, 'read write')
    sameSuccessor(before, [after])
  }
}

/** Calls /oauth/userinfo by fetch, for a library that calls nothing itself; throws a {@link Challenge}. */
export async function userinfo(request) {
  const response = await fetch(request.url, request)
  if (!response.ok) throw new Challenge(response.headers.get('www-authenticate') ?? `status ${response.status}`)
  return response.json()
}

/** The refusal of a resource server (RFC 6750 §3). */
export class Challenge extends Error {
  get code() {
    return /^Bearer .*error="([a-z_]+)"/.exec(this.message)?.[1]
  }
}
