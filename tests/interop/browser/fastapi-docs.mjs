// FastAPI's own documentation page, which is Swagger UI, in Chromium: Authorize there signs in at heirloom.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inBrowser, register, report, server } from './browser.mjs'

const file = (path) => fileURLToPath(new URL(path, import.meta.url))
const python = file('../../../target/interop/browser/python/bin/python')
const app = spawn(python, ['-B', file('fastapi_app.py'), server.issuer, 'fastapi-docs', file('node_modules/swagger-ui-dist')], { stdio: ['ignore', 'pipe', 'inherit'] })
try {
  const line = await new Promise((done, failed) => {
    createInterface({ input: app.stdout }).once('line', done)
    app.once('error', failed)
    app.once('exit', (code) => failed(new Error(`the app ended with ${code}`)))
  })
  const [port, version] = line.split(' ')
  const origin = `http://127.0.0.1:${port}`
  await register('fastapi-docs', origin)
  await inBrowser(async (browser) => {
    const page = await browser.newPage()
    await page.goto(`${origin}/docs`)
    await page.waitForSelector('.opblock')
    await report("FastAPI's docs", version, checks(page), {
      refresh: 'Swagger UI keeps no refresh token: sign in again',
      'sign out': 'Swagger UI forgets the access token and revokes nothing',
    })
  })
} finally {
  app.kill()
}

function checks(page) {
  const click = async (selector) => {
    await page.waitForSelector(selector)
    await page.$eval(selector, (button) => button.click())
  }
  const type = async (selector, text) => {
    await page.$eval(selector, (input) => input.select())
    await page.type(selector, text)
  }
  const authorize = async (password) => {
    await type('#oauth_username', server.username)
    await type('#oauth_password', password)
    const answered = page.waitForResponse((response) => response.url().endsWith('/oauth/token') && response.request().method() === 'POST')
    await click('.dialog-ux .auth-btn-wrapper .authorize')
    return (await answered).status()
  }
  return {
    async 'wrong password'() {
      await click('.auth-wrapper .btn.authorize')
      await page.waitForSelector('#oauth_username')
      assert.ok([400, 401].includes(await authorize('wrong')))
      await page.waitForSelector('.dialog-ux .errors')
    },
    async 'sign in'() {
      assert.equal(await authorize(server.password), 200)
      await click('.dialog-ux .close-modal')
      await click('.opblock-summary-control')
      await click('.try-out__btn')
      const answered = page.waitForResponse((response) => response.url().endsWith('/messages'))
      await click('.btn.execute')
      const answer = await answered
      assert.equal(answer.status(), 200)
      assert.equal((await answer.json()).scope, 'read')
    },
  }
}
