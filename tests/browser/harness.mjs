// What the tests share: starting programs and a browser, checks, screenshots, and a watch on every page.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import puppeteer from 'puppeteer-core'

export const binaries = resolve(process.argv[2] ?? '../../target/debug')
const chromium = process.argv[3] ?? '/usr/bin/chromium'
const screenshots = resolve('../../target/screenshots')

export const folder = mkdtempSync(join(tmpdir(), 'heirloom-browser-'))
const started = []
const drawn = new Set()
let browser
let checks = 0

// Starts a program, and resolves with the first line that it prints.
export function start(program, parameters) {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return new Promise((done, failed) => {
    createInterface({ input: child.stdout }).once('line', done)
    child.once('exit', (code) => failed(new Error(`${program} ended with ${code}`)))
    child.once('error', failed)
  })
}

// A free port. The origin of a page must be known before the page's server starts. The system gives none of these ports to
// those who ask for any port, nor to outgoing connections; and browsers refuse 10080. What has been drawn may not be listening yet.
export async function freePort() {
  for (;;) {
    const port = randomInt(11_000, 32_768)
    if (drawn.has(port) || !(await canListen(port))) continue
    drawn.add(port)
    return port
  }
}

const canListen = (port) => new Promise((done) => {
  const server = createServer().once('error', () => done(false))
  server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
})

export async function launch(more = []) {
  browser = await puppeteer.launch({
    executablePath: chromium,
    timeout: 120_000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...more],
  })
  return browser
}

// Opens a page and fails on an error on its console, an exception, a violation of its policy, or a request to another
// origin than these. The statuses in `expected` are answers that the test provokes: each must come, and allows one line
// "Failed to load resource" on the console.
export async function open(url, origins = [new URL(url).origin]) {
  const page = await browser.newPage()
  const problems = []
  const expected = []
  page.on('pageerror', (error) => problems.push(`exception: ${error.message ?? error}`))
  page.on('console', (message) => {
    if (!['error', 'warn', 'assert'].includes(message.type())) return
    const status = /^Failed to load resource: the server responded with a status of (\d+)/.exec(message.text())
    const place = status ? expected.indexOf(Number(status[1])) : -1
    if (place >= 0) expected.splice(place, 1)
    else problems.push(`console: ${message.text()} ${message.location().url ?? ''}`)
  })
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (!['data:', 'blob:'].includes(protocol) && !origins.includes(origin)) problems.push(`request: ${request.url()}`)
  })
  await page.evaluateOnNewDocument(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`)
    })
  })
  page.expect = (...statuses) => expected.push(...statuses)
  page.assertClean = (what) => check(JSON.stringify({ problems, missing: expected }), /^{"problems":\[\],"missing":\[\]}$/, `${what}: a clean console, no request to another host`)
  await page.goto(url)
  return page
}

export function check(text, expected, what) {
  assert.match(String(text), expected, what)
  checks += 1
  console.log(`ok: ${what}`)
}

export async function screenshot(page, name, options = {}) {
  mkdirSync(screenshots, { recursive: true })
  // Chromium draws only the tab in front.
  await page.bringToFront()
  await page.screenshot({ path: join(screenshots, `${name}.png`), ...options })
}

// Waits until something holds, for a minute at most.
export async function until(holds) {
  for (const end = Date.now() + 60_000; !(await holds()) && Date.now() < end;) await wait(50)
}

// Sends an old refresh token when the retry window is over, in which it is taken for a slow client's, and resolves with the
// answer. The window is longer if the server has stood still: then it is sent again. What the window lets pass changes nothing.
export async function afterTheRetryWindow(send) {
  await wait(31_000)
  const end = Date.now() + 120_000
  let answer = await send()
  while (!answer.error && Date.now() < end) {
    await wait(1_000)
    answer = await send()
  }
  return answer
}

// Runs a test, and stops and removes everything that it started.
export async function drive(name, driver) {
  const late = setTimeout(() => {
    console.error(`${name}: not done after fifteen minutes`)
    for (const child of started) child.kill()
    process.exit(1)
  }, 900_000)
  try {
    await driver()
    console.log(`${name}: ${checks} passed, 0 failed`)
  } catch (error) {
    const pages = await browser?.pages() ?? []
    for (const [place, page] of pages.entries()) {
      await Promise.race([screenshot(page, `failed-${name}-${place}`), wait(5_000)]).catch(() => {})
    }
    throw error
  } finally {
    clearTimeout(late)
    await browser?.close()
    for (const child of started) child.kill()
    // A program that is stopping may still write something.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  }
}
