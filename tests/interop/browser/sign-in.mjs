// The checks of an app in a browser that signs people in: `NAME.sign-in.page.js`, in Chromium, by heirloom's own pages.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { inBrowser, register, report, server, version } from './browser.mjs'

const PATIENCE = 30_000

/** Runs every check of the app of a library. */
export async function signIn(name) {
  const entry = fileURLToPath(new URL(`${name}.sign-in.page.js`, import.meta.url))
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
  const more = { redirect_uris: [`${origin}/callback`], post_logout_redirect_uris: [`${origin}/`] }
  try {
    await register(name, origin, more)
    await inBrowser(async (browser) => {
      await report(name, version(name), checks(browser, origin), {}, 'sign-in')
    })
  } finally {
    pages.closeAllConnections()
    pages.close()
  }
}

/** A person with cookies of their own. */
class Person {
  constructor(page, origin, refuses = false) {
    Object.assign(this, { page, origin, refuses })
  }

  static async in(browser, origin, refuses) {
    const page = await (await browser.createBrowserContext()).newPage()
    page.setDefaultTimeout(PATIENCE)
    page.on('console', (message) => console.error(`console: ${message.text()}`))
    page.on('pageerror', (error) => console.error(`page: ${error}`))
    await page.goto(origin)
    await page.waitForFunction(() => window.app)
    return new Person(page, origin, refuses)
  }

  /** Begins something that leaves the app, and does what is asked until the app is back. Returns what was asked. */
  async leave(what, ...args) {
    const asked = []
    await this.step(() => this.page.evaluate((what, args) => void window.app[what](...args), what, args))
    while (!this.page.url().startsWith(this.origin)) {
      if (await this.page.$('input[type=password]')) {
        asked.push('password')
        if (await this.page.$('input[name=username]:not([type=hidden])')) {
          await this.page.$eval('input[name=username]', (input) => { input.value = '' })
          await this.page.type('input[name=username]', server.username)
        }
        await this.page.type('input[type=password]', server.password)
        await this.step(() => this.page.click('button[name=action][value=log_in]'))
      } else {
        asked.push('consent')
        await this.step(() => this.page.click(`button[name=action][value=${this.refuses ? 'deny' : 'allow'}]`))
      }
    }
    await this.page.waitForFunction(() => window.app)
    return asked
  }

  async step(go) {
    await Promise.all([this.page.waitForNavigation({ waitUntil: 'load' }), go()])
  }

  /** What the app says of who is signed in, or its error. */
  said() {
    return this.page.evaluate(() => window.app.said())
  }
}

function checks(browser, origin) {
  let person
  let before
  const signedIn = async (wanted, ...more) => {
    assert.deepEqual(await person.leave('signIn', ...more), wanted, 'what the person was asked')
    return person.said()
  }
  return {
    // First, since what is allowed once is not asked again.
    async 'person refuses'() {
      const refuser = await Person.in(browser, origin, true)
      assert.deepEqual(await refuser.leave('signIn'), ['password', 'consent'])
      assert.match(JSON.stringify(await refuser.said()), /access_denied/)
    },
    async 'sign in'() {
      person = await Person.in(browser, origin)
      before = await signedIn(['password', 'consent'])
      assert.equal(before.name, server.username)
      assert.equal(before.sub?.length, 36)
    },
    async 'signed in already'() {
      const after = await signedIn([])
      assert.deepEqual([after.sub, after.auth_time], [before.sub, before.auth_time])
    },
    async 'password again'() {
      await new Promise((go) => setTimeout(go, Math.max(0, before.auth_time * 1000 + 1100 - Date.now())))
      const after = await signedIn(['password'], 'login')
      assert.equal(after.sub, before.sub)
      assert.ok(after.auth_time > before.auth_time, `auth_time ${after.auth_time}`)
    },
    async refresh() {
      for (let round = 0; round < 2; round += 1) {
        const token = (await person.said()).access_token
        await person.page.evaluate(() => window.app.refresh())
        const after = await person.said()
        assert.notEqual(after.access_token, token)
        assert.equal(after.sub, before.sub)
      }
    },
    async 'sign out'() {
      assert.deepEqual(await person.leave('signOut'), [])
      assert.equal(new URL(person.page.url()).pathname, '/')
      assert.equal((await signedIn(['password'])).sub, before.sub)
    },
  }
}
