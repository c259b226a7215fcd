// A page in Chromium, served from an origin of its own, and a client of heirloom that is registered with that origin.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import puppeteer from 'puppeteer-core'

/** The environment variables that the runner sets. */
export const server = {
  issuer: process.env.HEIRLOOM_ISSUER,
  username: process.env.HEIRLOOM_USERNAME,
  password: process.env.HEIRLOOM_PASSWORD,
  admin: process.env.HEIRLOOM_ADMIN,
  adminPassword: process.env.HEIRLOOM_ADMIN_PASSWORD,
  publicId: process.env.HEIRLOOM_PUBLIC_CLIENT_ID,
}
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** The installed version of a package. */
export const version = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version

/** Runs checks, one after another, and prints their results. */
export async function report(library, installed, checks, cannot = {}, role = 'browser client') {
  for (const [check, note] of Object.entries(cannot)) {
    console.log(JSON.stringify({ library, version: installed, as: role, check, result: 'not supported', note }))
  }
  for (const [check, run] of Object.entries(checks)) {
    const said = { library, version: installed, as: role, check }
    try {
      await run()
      console.log(JSON.stringify({ ...said, result: 'passed' }))
    } catch (error) {
      console.error(`${library}: ${check}:`, error)
      console.log(JSON.stringify({ ...said, result: 'failed', note: String(error.message ?? error) }))
    }
  }
}

/** Posts a form or JSON to heirloom. */
export async function post(path, body, token) {
  const isForm = body instanceof URLSearchParams
  return fetch(server.issuer + path, {
    method: 'POST',
    headers: { ...(isForm ? {} : { 'Content-Type': 'application/json' }), ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    body: isForm ? body : JSON.stringify(body),
  })
}

/** Registers a public client whose pages come from `origin`; `more` says what else is registered. */
export async function register(id, origin, more = {}) {
  const form = { grant_type: 'password', client_id: server.publicId, username: server.admin, password: server.adminPassword, scope: 'admin' }
  const signedIn = await (await post('/oauth/token', new URLSearchParams(form))).json()
  const client = { id, type: 'public', scopes: ['profile', 'offline_access', 'read', 'write'], origins: [origin], ...more }
  const registered = await post('/admin/clients', client, signedIn.access_token)
  assert.equal(registered.status, 201, await registered.text())
}

/** Runs `use` with a browser, which is closed afterwards in any case. */
export async function inBrowser(use) {
  const browser = await puppeteer.launch({
    executablePath: chromium,
    timeout: 120_000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  })
  try {
    return await use(browser)
  } finally {
    await browser.close()
  }
}

/** Bundles the app `NAME.page.js`, and runs `use` with its page. */
export async function withApp(name, use) {
  const entry = fileURLToPath(new URL(`${name}.page.js`, import.meta.url))
  const bundled = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false, logLevel: 'error' })
  const settings = JSON.stringify({ issuer: server.issuer, clientId: name })
  const html = `<!doctype html><title>app</title><script>window.settings = ${settings}</script><script type="module" src="/app.js"></script>`
  const pages = createServer((request, response) => {
    const isScript = request.url === '/app.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? bundled.outputFiles[0].text : html)
  }).listen(0, '127.0.0.1')
  await once(pages, 'listening')
  const origin = `http://127.0.0.1:${pages.address().port}`
  try {
    await register(name, origin)
    await inBrowser(async (browser) => {
      const page = await browser.newPage()
      page.on('console', (message) => console.error(`console: ${message.text()}`))
      page.on('pageerror', (error) => console.error(`page: ${error}`))
      await page.goto(origin)
      await page.waitForFunction(() => window.app)
      await use(page)
    })
  } finally {
    pages.closeAllConnections()
    pages.close()
  }
}

/** The checks of an app that signs in, refreshes and signs out. */
export function checks(page) {
  const call = (name, ...args) => page.evaluate((name, args) => window.app[name](...args), name, args)
  const userinfo = (token) => fetch(`${server.issuer}/oauth/userinfo`, { headers: { Authorization: `Bearer ${token}` } })
  let tokens
  return {
    async 'wrong password'() {
      const answered = page.waitForResponse((response) => response.request().method() === 'POST')
      await assert.rejects(call('signIn', server.username, 'wrong'))
      const answer = await answered
      assert.equal(`${answer.url()} ${answer.status()}`, `${server.issuer}/oauth/token 400`)
    },
    async 'sign in'() {
      tokens = await call('signIn', server.username, server.password)
      assert.equal(tokens.name, server.username)
      assert.deepEqual([...tokens.scopes].sort(), ['profile', 'read', 'write'])
      assert.ok(tokens.expires_in > 590 && tokens.expires_in <= 600, String(tokens.expires_in))
    },
    async refresh() {
      for (let round = 0; round < 2; round += 1) {
        const next = await call('refresh')
        assert.notEqual(next.refresh_token, tokens.refresh_token)
        assert.notEqual(next.access_token, tokens.access_token)
        tokens = next
      }
      assert.equal((await userinfo(tokens.access_token)).status, 200)
    },
    async 'sign out'() {
      await call('signOut')
      assert.equal((await userinfo(tokens.access_token)).status, 401)
      const form = { grant_type: 'refresh_token', client_id: page.client, refresh_token: tokens.refresh_token }
      assert.equal((await (await post('/oauth/token', new URLSearchParams(form))).json()).error, 'invalid_grant')
    },
  }
}
