// Tests examples/browser/code.html in Chromium: code and PKCE by oauth4webapi, and the refresh token in a cookie.
//
//     npm ci && (cd ../../examples/browser && npm ci)
//     node code.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import { join } from 'node:path'
import { binaries, check, drive, folder, freePort, launch, open, screenshot, start } from './harness.mjs'
import { press } from './look.mjs'

await drive('code', async () => {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const dev = JSON.parse(await start(join(binaries, 'heirloom'), [
    'dev', '--json', '--port', '0', '--data', folder, '--browser-client-id', 'demo-browser', '--browser-origin', origin,
  ]))
  await start(join(binaries, 'examples', 'resource_server'), ['--issuer', dev.issuer, '--port', String(port)])
  const browser = await launch()
  const heirlooms = async () => (await browser.cookies()).filter(({ name }) => name.startsWith('heirloom_'))
  const refreshCookie = async () => (await heirlooms()).find(({ name }) => !['heirloom_login', 'heirloom_browser'].includes(name))

  const page = await open(`${origin}/code`, [origin, dev.issuer])
  page.expect(400) // nobody is signed in: there is no cookie
  check(await said(page), /^Not signed in/, 'nobody is signed in at first')

  await leave(page, 'sign-in')
  check(page.url(), new RegExp(`^${dev.issuer}/login\\?request=`), 'the page sends the browser to heirloom')
  await page.type('#username', dev.user.username)
  await page.type('#password', dev.user.password)
  await press(page, '[value=log_in]')
  check(new URL(page.url()).pathname, /^\/consent$/, 'the person is asked')
  await press(page, '[value=allow]')
  const signedIn = await said(page)
  check(signedIn, /"signed_in": true/, 'and the page has exchanged the code')
  check(signedIn, /"amr": \[\s*"pwd"\s*\]/, 'the library has checked the ID token')
  check(signedIn, /"cookie_that_scripts_see": ""/, 'no script sees the cookie')
  check(page.url(), new RegExp(`^${origin}/code$`), 'the code is not in the address any more')
  const { httpOnly, sameSite } = await refreshCookie()
  check(JSON.stringify([httpOnly, sameSite]), /^\[true,"Strict"\]$/, 'the refresh token is kept close')

  check(await click(page, 'call'), /for every user/, 'the resource server is called')
  check(await click(page, 'refresh'), /"refreshed": true/, 'the cookie refreshes')
  await page.reload()
  check(await said(page), /"refreshed": true/, 'and after a reload it brings a new access token')
  await screenshot(page, 'code-signed-in')

  // A second time nobody types a password: the login is there, and what was allowed is remembered.
  await leave(page, 'sign-in')
  check(await said(page), /"signed_in": true/, 'who is signed in at heirloom comes straight back')

  // A code that is not this browser's own: the state does not fit, and nothing is sent.
  await page.goto(`${origin}/code?code=hac_stolen&state=x&iss=${encodeURIComponent(dev.issuer)}`)
  check(await said(page), /state/, 'an answer that the page did not ask for is refused')

  await page.goto(`${origin}/code`)
  check(await said(page), /"refreshed": true/, 'and harms nobody')
  await leave(page, 'sign-out')
  page.expect(400)
  check(page.url(), new RegExp(`^${origin}/code$`), 'signing out comes back to the page')
  check(await said(page), /^Not signed in/, 'and the session is over')
  check((await heirlooms()).some(({ name }) => name === 'heirloom_login'), /^false$/, 'as is the login')
  await page.assertClean('the page')
})

// Clicks a button that leads away.
async function leave(page, id) {
  await Promise.all([page.waitForNavigation(), page.evaluate((id) => document.getElementById(id).click(), id)])
}

async function click(page, id) {
  await page.evaluate(() => { document.getElementById('out').textContent = '' })
  await page.evaluate((id) => document.getElementById(id).click(), id)
  return said(page)
}

// What the page says when it is ready.
async function said(page) {
  await page.waitForFunction(() => !['', '…', undefined].includes(document.getElementById('out')?.textContent), { timeout: 60_000, polling: 50 })
  return page.$eval('#out', (out) => out.textContent)
}
