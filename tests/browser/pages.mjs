// Goes through a person's own pages in Chromium, in both colour schemes, at 320 and 1280 pixels: axe-core finds nothing, nothing
// is cut off, and the console is clean. Screenshots are in target/screenshots. The other pages are in sign_in.mjs.
//
//     npm ci && node pages.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import { join } from 'node:path'
import { afterTheRetryWindow, binaries, check, drive, folder, launch, open, start, until } from './harness.mjs'
import { look, press } from './look.mjs'

await drive('pages', async () => {
  const dev = JSON.parse(await start(join(binaries, 'heirloom'), ['dev', '--json', '--port', '0', '--data', folder]))
  const browser = await launch()
  const page = await open(`${dev.issuer}/login`)
  await look(page, 'login')

  await page.type('#username', dev.user.username)
  await page.type('#password', 'wrong-password')
  page.expect(400)
  await press(page, '[value=log_in]')
  // Chromium moves the focus when it draws the page, which may be after the load.
  const focused = () => page.evaluate(() => document.activeElement.className)
  await until(async () => await focused() === 'summary')
  check(await focused(), /^summary$/, 'what is wrong has the focus')
  check(await page.title(), /^Error: /, 'and the title says that something is wrong')
  await look(page, 'login-error')

  await page.goto(`${dev.issuer}/devices`)
  check(page.url(), /\/login\?to=devices$/, 'who is not signed in is sent to sign in')
  await signIn(page, dev.user)
  check(page.url(), /\/devices$/, 'and comes back')
  await look(page, 'devices-none')

  const tokens = await refreshed(dev)
  await page.reload()
  await look(page, 'devices')
  await press(page, 'a[href*="/devices/"]')
  await look(page, 'device')
  await replayed(dev, tokens)
  await page.reload()
  await look(page, 'device-reuse')

  await page.goto(`${dev.issuer}/profile`)
  await look(page, 'profile')
  await page.$eval('#email', (input) => { input.value = 'not an address' })
  page.expect(422)
  await press(page, 'main form button')
  await look(page, 'profile-error')
  await page.$eval('#email', (input) => { input.value = 'ann@example.com' })
  await press(page, 'main form button')
  check(await page.$eval('[role=status]', (note) => note.textContent), /saved/, 'the profile is changed')
  await look(page, 'profile-saved')
  await page.goto(`${dev.issuer}/password`)
  await look(page, 'password')
  await page.goto(`${dev.issuer}/apps`)
  await look(page, 'apps-none')

  page.expect(404)
  await page.goto(`${dev.issuer}/devices/unknown`)
  await look(page, 'error')

  await withoutAMouse(page, dev)
  await inEveryLanguage(browser, page, dev)
  await page.assertClean('the pages')
})

async function signIn(page, { username, password }) {
  await page.$eval('#username', (input) => { input.value = '' })
  await page.type('#username', username)
  await page.type('#password', password)
  await press(page, '[value=log_in]')
}

async function token(dev, form) {
  const body = new URLSearchParams({ client_id: dev.public_client.client_id, ...form })
  const headers = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' }
  return (await fetch(dev.token_endpoint, { method: 'POST', headers, body })).json()
}

// Signs in with an app, and refreshes some times. Resolves with all refresh tokens, the oldest first.
async function refreshed(dev) {
  const { username, password } = dev.user
  const tokens = [(await token(dev, { grant_type: 'password', username, password, device_label: 'Ann’s laptop' })).refresh_token]
  for (let round = 0; round < 7; round += 1) {
    tokens.push((await token(dev, { grant_type: 'refresh_token', refresh_token: tokens.at(-1) })).refresh_token)
  }
  return tokens
}

// Waits until the retry window is over, and uses an old token: one of the last four, of which the server knows when they
// were replaced. In the window it refuses older ones too, but does not take them for stolen.
async function replayed(dev, tokens) {
  const { error } = await afterTheRetryWindow(() => token(dev, { grant_type: 'refresh_token', refresh_token: tokens.at(-3) }))
  check(error, /^invalid_grant$/, 'an old token is used')
}

// The keyboard reaches the way past the navigation first, and everything else by Tab.
async function withoutAMouse(page, dev) {
  await page.goto(`${dev.issuer}/devices`)
  await page.keyboard.press('Tab')
  const skip = await page.evaluate(() => [document.activeElement.className, document.activeElement.getBoundingClientRect().top >= 0])
  check(JSON.stringify(skip), /^\["skip",true\]$/, 'the first Tab shows the link past the navigation')
  const reached = new Set()
  for (let key = 0; key < 40; key += 1) {
    reached.add(await page.evaluate(() => document.activeElement.outerHTML))
    const style = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
    if (await page.evaluate(() => document.activeElement !== document.body)) check(style, /^(solid|auto)$/, 'what has the focus shows it')
    await page.keyboard.press('Tab')
  }
  const all = await page.$$eval('a, button, input:not([type=hidden])', (targets) => targets.map((target) => target.outerHTML))
  check(all.filter((target) => !reached.has(target)).join('\n'), /^$/, 'Tab reaches everything')
}

// Languages whose words are longer than the English ones fit as well.
async function inEveryLanguage(browser, page, dev) {
  for (const language of ['de', 'fr', 'es', 'ja']) {
    await page.setExtraHTTPHeaders({ 'Accept-Language': language })
    await page.goto(`${dev.issuer}/devices`)
    check(await page.$eval('html', (html) => html.lang), new RegExp(`^${language}$`), `the page speaks ${language}`)
    await look(page, `devices-${language}`)
    const other = await browser.createBrowserContext()
    const stranger = await other.newPage()
    await stranger.setExtraHTTPHeaders({ 'Accept-Language': language })
    await stranger.goto(`${dev.issuer}/login`)
    await look(stranger, `login-${language}`)
    await other.close()
  }
  await page.setExtraHTTPHeaders({})
}
