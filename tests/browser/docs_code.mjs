// Sign-in by code in the documentation, and the page of the demo.
import { check, open, screenshot, until } from './harness.mjs'
import { authorized, close, dialog, logOut, openDocs, schemeOf, tooWide, tryOut } from './swagger.mjs'

// Authorization code and PKCE: a window opens, a person signs in there, and it closes by itself.
export async function authorizeByCode(dev, browser) {
  const page = await openDocs(dev.docs)
  await dialog(page)
  const scheme = await schemeOf(page, 'user (OAuth2, authorizationCode')
  check(await page.$$eval('.dialog-ux h4', (titles) => titles[0].innerText), /authorizationCode/, 'the form that people need comes first')
  check(await scheme.$eval('[id^=client_id]', ({ value }) => value), new RegExp(`^${dev.public_client.client_id}$`), 'the demo client is filled in')
  await screenshot(page, 'docs-authorize-code')
  const opened = new Promise((done) => browser.once('targetcreated', done))
  await scheme.$eval('.auth-btn-wrapper .authorize', (button) => button.click())
  const popup = await (await opened).page()
  await signIn(popup, dev.user)
  await allow(popup)
  await authorized(page)
  // The page may say so first.
  await until(() => popup.isClosed())
  check(popup.isClosed(), /^true$/, 'the window closes by itself')
  check(await page.$$eval('.dialog-ux h6', (titles) => titles.map(({ innerText }) => innerText).join(' ')), /Authorized/, 'authorized by code and PKCE')
  await close(page)
  const answer = await tryOut(page, 'account', 'account')
  check(`${answer.status} ${answer.body}`, /^200 [^]*"username": "demo"/, 'and its access token works')
  await dialog(page)
  await logOut(page, 'user')
  await page.assertClean('Authorize by code')
  await page.close()
}

// The page of the demo: from its link to a refresh.
export async function demoShowsItsTokens(dev) {
  const page = await open(`${dev.issuer}/demo?sign-in`)
  // The documentation has signed the person in already, and another client's consent is not this one's.
  await page.waitForSelector('button[value=allow], #shown:not([hidden])')
  if (await page.$('button[value=allow]')) await allow(page)
  await page.waitForSelector('#shown:not([hidden])')
  const shown = (id) => page.$eval(`#${id}`, ({ innerText }) => innerText)
  check(await shown('status'), /^You are signed in/, 'the demo page is signed in')
  check(await shown('id-token'), new RegExp(`"aud": "${dev.public_client.client_id}"`), 'it shows the claims of the ID token')
  check(await shown('userinfo'), /"preferred_username": "demo"/, 'and what userinfo says')
  check(page.url(), /\/demo$/, 'and no code stays in the address')
  const before = await shown('access-token')
  await page.click('#refresh')
  await page.waitForFunction((before) => document.getElementById('access-token').innerText !== before, {}, before)
  check(await shown('status'), /^Refreshed/, 'it refreshes')
  for (const [name, width, colours] of [['phone', 320, 'light'], ['desktop', 1280, 'dark']]) {
    await page.setViewport({ width, height: 844 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: colours }])
    check(await tooWide(page), /^$/, `the demo page fits a ${name}`)
    await screenshot(page, `demo-${name}`)
  }
  check(await page.$eval('#devices', ({ href }) => href), /\/devices$/, 'it leads to the devices')
  await page.assertClean('the demo page')
  await page.close()
}

async function signIn(page, { username, password }) {
  await page.waitForSelector('#username')
  await page.type('#username', username)
  await page.type('#password', password)
  await Promise.all([page.waitForNavigation(), page.click('button[value=log_in]')])
}

// The page may be gone before the click is answered.
async function allow(page) {
  await page.waitForSelector('button[value=allow]')
  await page.click('button[value=allow]').catch(() => {})
}
