// Goes through the pages of a sign-in in Chromium, without scripts: sign up, log in, consent with the client's logo, the
// form that answers a client, log out, errors, and what a person sees of it afterwards. Screenshots are in
// target/screenshots; look.mjs says what is checked of each page.
//
//     npm ci && node sign_in.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { binaries, check, drive, folder, freePort, launch, screenshot } from './harness.mjs'
import { fits, look, press } from './look.mjs'

const PASSWORD = 'tulip-quartz-93-lantern'
const APP = 'Zeiterfassungs- und Projektmanagementsystem <b>der</b> Beispiel GmbH'
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const challenge = createHash('sha256').update(VERIFIER).digest('base64url')

await drive('sign-in', async () => {
  const [port, appPort] = [await freePort(), await freePort()]
  const issuer = `http://127.0.0.1:${port}`
  const callback = `http://127.0.0.1:${appPort}/callback`
  const app = client(appPort)
  const browser = await launch()
  await drawLogo(browser)
  const heirloom = serve(port, issuer, callback)
  try {
    await answers(issuer)
    const page = await browser.newPage()
    await page.setJavaScriptEnabled(false)
    const ask = (more = {}) => page.goto(`${issuer}/oauth/authorize?${new URLSearchParams({
      response_type: 'code', client_id: 'app', redirect_uri: callback, scope: 'openid profile email offline_access read',
      state: 's', nonce: 'n', code_challenge: challenge, code_challenge_method: 'S256', ...more,
    })}`)

    await ask()
    check(await page.$$eval('.app img', (images) => images.map((image) => image.naturalWidth > 0).join()), /^true$/, 'the log in shows the logo of the client')
    await look(page, 'login-app')
    await inEveryLanguage(page, 'login-app')
    await press(page, 'a[href*="/signup"]')
    await look(page, 'sign-up')
    await inEveryLanguage(page, 'sign-up')
    await press(page, 'main form button')
    await look(page, 'sign-up-error')

    // From here to the client by the keyboard alone.
    for (const [field, text] of [['username', 'ann'], ['email', 'ann@example.com'], ['display_name', 'Ann Lee'], ['password', PASSWORD]]) {
      await tabTo(page, `#${field}`)
      await page.keyboard.type(text)
    }
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    check(new URL(page.url()).pathname, /^\/consent$/, 'who has made an account is asked what the client may do')
    check(await page.$$eval('.app img', (images) => images.map((image) => image.naturalWidth > 0).join()), /^true$/, 'and sees its logo')
    await look(page, 'consent')
    await inEveryLanguage(page, 'consent')
    await tabTo(page, '[value=allow]')
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    check(page.url(), new RegExp(`^${callback}\\?code=`), 'the client gets a code')
    await redeem(issuer, callback, new URL(page.url()).searchParams.get('code'))

    await ask({ prompt: 'consent', scope: 'openid profile', resource: 'https://api.example.com' })
    check(await page.$$eval('.may li', (lines) => lines.at(-1).textContent), /use https:\/\/api\.example\.com$/, 'a resource is named although no scope is of it')
    await look(page, 'consent-resource')
    await press(page, '[value=deny]')
    check(page.url(), /error=access_denied/, 'who does not allow it goes back to the client as well')

    await ask({ response_mode: 'form_post' })
    await look(page, 'form-post')
    await inEveryLanguage(page, 'form-post')
    await press(page, 'main form button')
    check(app.posted.at(-1), /^code=hac_.*state=s/, 'the form brings the code to the client')

    await page.goto(`${issuer}/apps`)
    await look(page, 'apps')
    await inEveryLanguage(page, 'apps')
    await severalDevices(browser, page, { issuer, callback })
    await errors(page, ask, issuer)
    await logOut(page, issuer)
  } finally {
    heirloom.kill()
    app.server.close()
  }
})

// A second browser, on a phone: the person stays signed in there, and an app was signed in from it.
async function severalDevices(browser, page, { issuer, callback }) {
  const other = await browser.createBrowserContext()
  const phone = await other.newPage()
  await phone.setUserAgent({ userAgent: PHONE })
  await phone.goto(`${issuer}/oauth/authorize?${new URLSearchParams({
    response_type: 'code', client_id: 'notes', redirect_uri: callback, scope: 'openid', code_challenge: challenge, code_challenge_method: 'S256',
  })}`)
  // By the keyboard alone.
  await tabTo(phone, '#username')
  await phone.keyboard.type('ann')
  await tabTo(phone, '#password')
  await phone.keyboard.type(PASSWORD)
  await tabTo(phone, '#keep')
  await phone.keyboard.press('Space')
  await tabTo(phone, '[value=log_in]')
  await Promise.all([phone.waitForNavigation(), phone.keyboard.press('Enter')])
  await tabTo(phone, '[value=allow]')
  await Promise.all([phone.waitForNavigation(), phone.keyboard.press('Enter')])
  await redeem(issuer, callback, new URL(phone.url()).searchParams.get('code'), 'notes')

  await page.goto(`${issuer}/devices`)
  await look(page, 'devices-many')
  await inEveryLanguage(page, 'devices-many')
  await tabTo(page, 'button[value=end_browser][aria-label*="iPhone"]')
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  check(await page.$eval('[role=status]', (note) => note.textContent), /browser is signed out/, 'the phone is signed out by the keyboard')
  await look(page, 'devices-ended')
  await phone.goto(`${issuer}/profile`)
  check(phone.url(), /\/login\?to=profile$/, 'and must sign in again')
  await other.close()
}

async function errors(page, ask, issuer) {
  await ask({ redirect_uri: 'https://evil.example/' })
  await look(page, 'error-redirect')
  await ask({ client_id: 'nobody' })
  await look(page, 'error-client')
  await page.goto(`${issuer}/login?request=has-been-changed`)
  await look(page, 'error-expired')
  await inEveryLanguage(page, 'error-expired')
  // The form of a browser that has lost its cookie: it says so, and the next try is good.
  await ask({ prompt: 'login' })
  await page.deleteCookie({ name: 'heirloom_browser', url: issuer })
  await fill(page)
  await press(page, '[value=log_in]')
  check(await page.$eval('[role=alert]', (note) => note.textContent), /open too long/, 'a form that was open too long says so')
  await look(page, 'login-stale')
  await fill(page)
  await press(page, '[value=log_in]')
  check(page.url(), /\/callback\?code=|\/consent/, 'and the next try goes on')
}

async function logOut(page, issuer) {
  await page.goto(`${issuer}/oauth/logout`)
  await look(page, 'logout-question')
  await inEveryLanguage(page, 'logout-question')
  await tabTo(page, 'main form button')
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  await look(page, 'logout-done')
  await inEveryLanguage(page, 'logout-done')
}

async function fill(page) {
  await page.$eval('#username', (input) => { input.value = 'ann' })
  await page.$eval('#password', (input, password) => { input.value = password }, PASSWORD)
}

// Presses Tab until something has the focus, and shows it.
async function tabTo(page, selector) {
  for (let key = 0; key < 60; key += 1) {
    await page.keyboard.press('Tab')
    const [found, style] = await page.evaluate((selector) => {
      const { activeElement } = document
      return [activeElement.matches(selector), getComputedStyle(activeElement).outlineStyle]
    }, selector)
    if (!found) continue
    check(style, /^(solid|auto)$/, `Tab reaches ${selector}, and the focus is seen`)
    return
  }
  throw new Error(`Tab does not reach ${selector}`)
}

// At 320 pixels, where words are cut off first.
async function inEveryLanguage(page, name) {
  await page.setViewport({ width: 320, height: 800 })
  for (const language of ['de', 'fr', 'es', 'ja', 'en']) {
    await page.setExtraHTTPHeaders({ 'Accept-Language': language })
    await page.goto(page.url())
    check(await page.$eval('html', (html) => html.lang), new RegExp(`^${language}$`), `${name}: the page speaks ${language}`)
    await fits(page, `${name}, ${language}, 320`)
    await screenshot(page, `page-${name}-${language}-320`, { fullPage: true })
  }
  await page.setExtraHTTPHeaders({})
}

async function redeem(issuer, callback, code, client = 'app') {
  const body = new URLSearchParams({ grant_type: 'authorization_code', client_id: client, redirect_uri: callback, code, code_verifier: VERIFIER })
  const { status } = await fetch(`${issuer}/oauth/token`, { method: 'POST', body })
  check(status, /^200$/, `${client} redeems its code`)
}

// A client that shows nothing, and keeps what is posted to it.
function client(port) {
  const posted = []
  const server = createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      if (request.method === 'POST') posted.push(Buffer.concat(parts).toString())
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>The app</title>')
    })
  }).listen(port, '127.0.0.1')
  return { posted, server }
}

// The logo is wider than high, and dark on nothing.
async function drawLogo(browser) {
  mkdirSync(join(folder, 'logos'))
  const page = await browser.newPage()
  await page.setViewport({ width: 160, height: 80 })
  await page.setContent('<body style="margin:0"><div style="width:160px;height:80px;border-radius:40px;background:#123a5c;color:#fff;font:700 48px/80px sans-serif;text-align:center">ZP</div>')
  writeFileSync(join(folder, 'logos', 'app.png'), await page.screenshot({ omitBackground: true }))
  await page.close()
}

function serve(port, issuer, callback) {
  const config = join(folder, 'heirloom.toml')
  writeFileSync(config, `
issuer = "${issuer}"
[server]
listen = ["127.0.0.1:${port}"]
[accounts]
registration = "open"
[audiences."https://api.example.com"]
scopes = ["read"]
[pages]
name = "Beispiel & Söhne"
logos = "logos"
imprint = "https://www.example.com/imprint"
privacy = "https://www.example.com/privacy"
help = "mailto:help@example.com"
[[clients]]
id = "app"
name = "${APP}"
type = "public"
scopes = ["read", "profile", "email", "offline_access"]
redirect_uris = ["${callback}"]
client_uri = "https://app.example.com"
policy_uri = "https://app.example.com/privacy"
tos_uri = "https://app.example.com/terms"
logo = "app.png"
[[clients]]
id = "notes"
name = "ノートとメモの共有アプリケーション"
type = "public"
redirect_uris = ["${callback}"]
`)
  return spawn(join(binaries, 'heirloom'), ['serve', '--config', config, '--log-filter', 'error'], { stdio: ['ignore', 'inherit', 'inherit'] })
}

async function answers(issuer) {
  for (let tries = 0; tries < 300; tries += 1) {
    try {
      await fetch(`${issuer}/health/live`)
      return
    } catch {
      await wait(100)
    }
  }
  throw new Error('heirloom does not answer')
}
