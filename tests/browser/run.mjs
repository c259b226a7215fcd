// Tests examples/browser in Chromium: sign in, call, refresh by cookie in many tabs at once, devices, sign out, and a
// stolen cookie.
//
//     npm ci && node run.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterTheRetryWindow, binaries, check, drive, folder, freePort, launch, open, screenshot, start } from './harness.mjs'

const TABS = 8
const ROUNDS = 3

// Clicks a button, and resolves with the text that the page then shows.
async function click(page, id) {
  await page.evaluate(() => { document.getElementById('out').textContent = '' })
  // Not by the mouse, which needs the tab in front: two tabs click at the same time.
  await page.evaluate((id) => document.getElementById(id).click(), id)
  return said(page)
}

async function said(page) {
  await page.waitForFunction(() => !['', '…'].includes(document.getElementById('out').textContent), { timeout: 60_000, polling: 50 })
  return page.$eval('#out', (out) => out.textContent)
}

async function signIn(page, { username, password }) {
  await page.bringToFront()
  for (const [name, value] of Object.entries({ username, password })) {
    await page.$eval(`[name=${name}]`, (input) => { input.value = '' })
    await page.type(`[name=${name}]`, value)
  }
  await page.evaluate(() => { document.getElementById('out').textContent = '' })
  await page.click('#sign-in button')
  return said(page)
}

await drive('browser', async () => {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const dev = JSON.parse(await start(join(binaries, 'heirloom'), [
    'dev', '--json', '--port', '0', '--data', folder, '--browser-client-id', 'demo-browser', '--browser-origin', origin,
    '--access-token', '15',
  ]))
  await start(join(binaries, 'examples', 'resource_server'), ['--issuer', dev.issuer, '--port', String(port)])
  const browser = await launch()
  const openTab = () => open(origin, [origin, dev.issuer])
  const heirlooms = async () => (await browser.cookies()).filter(({ name }) => name.startsWith('heirloom_'))

  const page = await openTab()
  page.expect(400) // nobody is signed in: there is no cookie
  check(await said(page), /^Not signed in/, 'nobody is signed in at first')

  const signedIn = await signIn(page, dev.user)
  check(signedIn, /"signed_in": true/, 'the user signs in')
  check(signedIn, /"cookie_that_scripts_see": ""/, 'no script sees the cookie')
  const [cookie] = await heirlooms()
  check(JSON.stringify([cookie.httpOnly, cookie.sameSite, cookie.path]), /^\[true,"Strict","\/"\]$/, 'the cookie is kept close')

  check(await click(page, 'call'), /for every user/, 'the resource server is called')
  await click(page, 'expire')
  check(await click(page, 'call'), /for every user/, 'without an access token, the cookie brings one')

  const statuses = []
  page.on('response', (response) => { if (response.url().endsWith('/user')) statuses.push(response.status()) })
  await wait(16_000) // the access token lasts fifteen seconds
  page.expect(401)
  check(await click(page, 'call'), /for every user/, 'when the access token has expired, the cookie brings another')
  check(statuses.join(), /^401,200$/, 'and the resource server had refused the old one')

  const devices = JSON.parse(await click(page, 'devices')).sessions
  check(JSON.stringify(devices.map(({ current, device }) => [current, device])), /^\[\[true,".*Chrom.*"\]\]$/, 'the one device is this one')
  const session = devices[0].id

  // What the administrator sees, asked from outside of the browser.
  const admin = administrator(dev)
  const log = async (id) => (await admin(`/admin/events?stream=session:${id}&limit=100`)).events
  const refreshed = async () => (await log(session)).filter(({ type }) => type === 'tokens_rotated').length

  const tabs = [page]
  for (let tab = 1; tab < TABS; tab += 1) tabs.push(await openTab())
  for (const tab of tabs.slice(1)) check(await said(tab), /^Signed in already/, 'another tab is signed in by the cookie')
  for (let round = 1; round <= ROUNDS; round += 1) {
    const before = await refreshed()
    const all = await Promise.all(tabs.map((tab) => click(tab, 'refresh')))
    check(all.filter((text) => /"refreshed": true/.test(text)).length, new RegExp(`^${TABS}$`), `${TABS} tabs refresh at once, round ${round}`)
    check(await refreshed() - before, /^[1-8]$/, `by ${await refreshed() - before} rotations`)
  }
  // The same without the tabs' lock: one cookie that is sent eight times at once is rotated once.
  const before = await refreshed()
  const [{ name, value }] = await heirlooms()
  const burst = await Promise.all(Array.from({ length: TABS }, () => refreshWith(dev, origin, `${name}=${value}`)))
  check(JSON.stringify(burst.map(({ status }) => status)), /^\[(200,?){8}\]$/, 'one cookie sent eight times at once is good each time')
  check(new Set(burst.map(({ cookie }) => cookie)).size, /^1$/, 'each brings one and the same successor')
  check(await refreshed() - before, /^1$/, 'by one rotation')
  check((await Promise.all(tabs.map((tab) => click(tab, 'refresh')))).join(), /^({\s*"refreshed": true,[^}]*},?){8}$/, 'and the tabs go on from there')

  const events = await log(session)
  const rotated = events.filter(({ type }) => type === 'tokens_rotated').map(({ data }) => data.generation)
  check(JSON.stringify(rotated), new RegExp(`^${JSON.stringify(rotated.map((_, place) => place + 1)).replace(/[[\]]/g, '\\$&')}$`), `the log has one line of ${rotated.length} generations`)
  check([...new Set(events.map(({ type }) => type))].sort().join(), /^(access_token_issued,)?session_started,tokens_issued,tokens_rotated$/, 'and no reuse')
  const { users: [user] } = await admin(`/admin/users?prefix=${dev.user.username}`)
  const sessions = (await admin(`/admin/users/${user.id}/sessions`)).sessions
  check(JSON.stringify(sessions.map(({ id, live }) => [id, live])), new RegExp(`^\\[\\["${session}",true\\]\\]$`), 'and one family')

  // A thief has a copy of the cookie, and uses it after the page has refreshed again.
  const [stolen] = await heirlooms()
  await click(page, 'refresh')
  check(await click(page, 'refresh'), /"refreshed": true/, 'the page goes on, twice')
  const replay = await afterTheRetryWindow(() => refreshWith(dev, origin, `${stolen.name}=${stolen.value}`))
  check(`${replay.status} ${replay.error}`, /^400 invalid_grant$/, 'whoever copied an old cookie gets nothing')
  page.expect(400)
  check(await click(page, 'refresh'), /^You were signed out.*Sign in again to see why/s, 'the page is signed out, and says how to find out why')
  await screenshot(page, 'browser-signed-out')
  const told = await signIn(page, dev.user)
  check(told, /signed out last time: an old refresh token was used again.*stolen/s, 'after the sign-in the person reads why')
  await screenshot(page, 'browser-told-why')
  const ends = (await log(session)).slice(-2).map(({ type, data }) => [type, data.reason ?? ''])
  check(JSON.stringify(ends), /^\[\["reuse_detected",""\],\["session_ended","reuse"\]\]$/, 'the log says the same')
  check(await click(page, 'call'), /for every user/, 'and the new session is as good as any')

  const other = tabs[1]
  check(await click(other, 'sign-out'), /^Signed out/, 'another tab signs out')
  page.expect(400)
  check(await click(page, 'refresh'), /^Not signed in/, 'and so is the first')
  check((await heirlooms()).length, /^0$/, 'the cookie is gone')
  check(await signIn(page, dev.user), /^{\s*"signed_in": true,(?!.*last time)/s, 'who signed out is not told about it at the next sign-in')
  for (const [place, tab] of tabs.entries()) await tab.assertClean(`tab ${place + 1}`)
})

// Sends a request to the administration API.
function administrator(dev) {
  const { username, password } = dev.admin
  const form = { grant_type: 'password', client_id: dev.public_client.client_id, username, password, scope: 'admin' }
  return async (path) => {
    // A new sign-in each time, since the administrator's access tokens live as short as the page's.
    const answer = await fetch(dev.token_endpoint, { method: 'POST', body: new URLSearchParams(form) })
    const { access_token: token } = await answer.json()
    const response = await fetch(dev.issuer + path, { headers: { Authorization: `Bearer ${token}` } })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
}

// Refreshes as a program that has the cookie and sends the page's `Origin`.
async function refreshWith(dev, origin, cookie) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'demo-browser' })
  const response = await fetch(dev.token_endpoint, { method: 'POST', headers: { Cookie: cookie, Origin: origin }, body })
  const { error } = await response.json()
  return { status: response.status, error, cookie: (response.headers.get('set-cookie') ?? '').split(';')[0] }
}
