// Drives examples/browser in Chromium: sign in, call, refresh by cookie in two tabs at once, devices, sign out.
//
//     npm ci && node run.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createServer } from 'node:net'
import puppeteer from 'puppeteer-core'

const binaries = resolve(process.argv[2] ?? '../../target/debug')
const chromium = process.argv[3] ?? '/usr/bin/chromium'
const folder = mkdtempSync(join(tmpdir(), 'heirloom-browser-'))
const started = []

// Starts a program, and resolves with the first line that it prints.
function start(program, parameters) {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return new Promise((done, failed) => {
    createInterface({ input: child.stdout }).once('line', done)
    child.once('exit', (code) => failed(new Error(`${program} ended with ${code}`)))
    child.once('error', failed)
  })
}

// A free port: the origin of the page must be known before the page's server starts.
const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => done(port))
  })
})

// Clicks a button, and resolves with what the page then says.
async function click(page, id) {
  await page.evaluate(() => { document.getElementById('out').textContent = '' })
  // Not by the mouse: that waits for the tab to be in front, and two tabs can't be.
  await page.evaluate((id) => document.getElementById(id).click(), id)
  return said(page)
}

async function said(page) {
  await page.waitForFunction(() => !['', '…'].includes(document.getElementById('out').textContent), { timeout: 10_000, polling: 50 })
  return page.$eval('#out', (out) => out.textContent)
}

async function open(browser, origin) {
  const page = await browser.newPage()
  page.on('pageerror', (error) => { console.error('page:', error); process.exitCode = 1 })
  await page.goto(origin)
  return page
}

let checks = 0
function check(text, expected, what) {
  assert.match(text, expected, what)
  checks += 1
  console.log(`ok: ${what}`)
}

let browser
try {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const dev = JSON.parse(await start(join(binaries, 'heirloom'), [
    'dev', '--json', '--port', '0', '--data', folder, '--browser-client-id', 'demo-browser', '--browser-origin', origin,
    '--access-token', '3',
  ]))
  await start(join(binaries, 'examples', 'resource_server'), ['--issuer', dev.issuer, '--port', String(port)])
  browser = await puppeteer.launch({
    executablePath: chromium,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  })
  const page = await open(browser, origin)
  check(await said(page), /^Not signed in/, 'nobody is signed in at first')

  await page.type('[name=username]', dev.user.username)
  await page.type('[name=password]', dev.user.password)
  await page.evaluate(() => { document.getElementById('out').textContent = '' })
  await page.click('#sign-in button')
  const signedIn = await said(page)
  check(signedIn, /"signed_in": true/, 'the user signs in')
  check(signedIn, /"cookie_that_scripts_see": ""/, 'no script sees the cookie')
  const cookies = await browser.cookies()
  const cookie = cookies.find(({ name }) => name.startsWith('heirloom_'))
  check(JSON.stringify([cookie.httpOnly, cookie.sameSite, cookie.path]), /^\[true,"Strict","\/"\]$/, 'the cookie is kept close')

  check(await click(page, 'call'), /for every user/, 'the resource server is called')
  await click(page, 'expire')
  check(await click(page, 'call'), /for every user/, 'without an access token, the cookie brings one')

  const statuses = []
  page.on('response', (response) => { if (response.url().endsWith('/user')) statuses.push(response.status()) })
  await new Promise((done) => setTimeout(done, 4_000)) // the access token lasts three seconds
  check(await click(page, 'call'), /for every user/, 'when the access token has expired, the cookie brings another')
  check(statuses.join(), /^401,200$/, 'and the resource server had refused the old one')

  const other = await open(browser, origin)
  check(await said(other), /^Signed in already/, 'a second tab is signed in by the cookie')
  for (let round = 1; round <= 5; round += 1) {
    const both = await Promise.all([click(page, 'refresh'), click(other, 'refresh')])
    check(both.join(), /"refreshed": true.*"refreshed": true/s, `two tabs refresh at once, round ${round}`)
  }
  const devices = JSON.parse(await click(page, 'devices')).sessions
  check(JSON.stringify(devices.map(({ current, device }) => [current, device])), /^\[\[true,".*Chrom.*"\]\]$/, 'the one device is this one')

  check(await click(other, 'sign-out'), /^Signed out/, 'the second tab signs out')
  check(await click(page, 'refresh'), /^Signed out. invalid_grant/, 'and so is the first')
  const left = (await browser.cookies()).filter(({ name }) => name.startsWith('heirloom_'))
  check(String(left.length), /^0$/, 'the cookie is gone')
} finally {
  await browser?.close()
  for (const child of started) child.kill()
  rmSync(folder, { recursive: true, force: true })
}
console.log(`browser: ${checks} passed, 0 failed`)
