// Tests the documentation page in Chromium: its files, its Content-Security-Policy, Authorize with every kind of client,
// and "Try it out" on each tag. Screenshots are in target/screenshots.
//
//     npm ci && node docs.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, request as ask } from 'node:http'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { binaries, check, drive, folder, freePort, launch, open, screenshot, start } from './harness.mjs'

const heirloom = join(binaries, 'heirloom')

await drive('docs', async () => {
  filesAreThePackages()
  const dev = JSON.parse(await start(heirloom, ['dev', '--json', '--port', '0', '--data', join(folder, 'dev')]))
  await headersAreStrict(dev)
  const browser = await launch()
  await authorizeByCode(dev, browser)
  await demoShowsItsTokens(dev)
  await authorizeInEveryWay(dev)
  await tryEveryTag(dev)
  await fitsEveryScreen(dev)
  await locksSayWhatIsSent(dev)
  await firstPageLeadsOn(dev)
  await worksUnderAPath(dev)
  await servesNothingFilledIn()
})

// The embedded files are those of the package.
function filesAreThePackages() {
  const embedded = '../../assets/swagger-ui'
  const upstream = 'node_modules/swagger-ui-dist'
  for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
    check(gunzipSync(readFileSync(join(embedded, `${file}.gz`))).equals(readFileSync(join(upstream, file))), /^true$/, `${file} is the package's`)
  }
  for (const file of ['favicon-32x32.png', 'LICENSE', 'NOTICE', 'swagger-ui-bundle.js.LICENSE.txt']) {
    check(readFileSync(join(embedded, file)).equals(readFileSync(join(upstream, file))), /^true$/, `${file} is the package's`)
  }
  const { version } = JSON.parse(readFileSync(join(upstream, 'package.json')))
  check(readFileSync(join(embedded, 'README.md')), new RegExp(`^# Swagger UI ${version}\n`), 'its version stands beside it')
}

async function headersAreStrict(dev) {
  for (const path of ['/docs', '/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css', '/docs/page.js', '/docs/page.css', '/docs/oauth2-redirect', '/docs/oauth2-redirect.js', '/demo', '/demo/page.js', '/docs/favicon-32x32.png']) {
    const answer = await fetch(dev.issuer + path)
    const policy = answer.headers.get('content-security-policy')
    check(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; (?!.*unsafe)/, `${path} has the policy`)
    const again = await fetch(dev.issuer + path, { headers: { 'If-None-Match': answer.headers.get('etag') } })
    check(`${answer.status} ${again.status}`, /^200 304$/, `${path} is cached by its ETag`)
  }
}

// Authorization code and PKCE: a window opens, a person signs in there, and it closes by itself.
async function authorizeByCode(dev, browser) {
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
async function demoShowsItsTokens(dev) {
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

async function authorizeInEveryWay(dev) {
  const { public_client: client, confidential_client: confidential, user, admin } = dev
  const page = await openDocs(dev.docs)
  await screenshot(page, 'docs-page')
  await dialog(page)
  await screenshot(page, 'docs-authorize')
  check(JSON.stringify(await form(page)), new RegExp(`^{"client":"${client.client_id}","secret":"","username":"${user.username}","password":"","scopes":\\["account","profile"\\]}$`), 'the demo client and its user are filled in, no password')
  const everything = (await page.content()) + await (await fetch(dev.docs)).text()
  check(![user.password, admin.password, confidential.client_secret].some((secret) => everything.includes(secret)), /^true$/, 'no secret is in the page')

  page.expect(401)
  await authorize(page, { client: '', username: '', password: '' })
  check(await refusal(page), /auth error.*(Unauthorized|client)/is, 'empty boxes are refused in the page')
  await screenshot(page, 'docs-authorize-empty')
  page.expect(400)
  await authorize(page, { client: client.client_id, username: user.username, password: 'wrong' })
  check(await refusal(page), /auth error.*(Bad Request|password is wrong)/is, 'a wrong password is refused in the page')
  page.expect(400)
  await authorize(page, { client: '', username: user.username, password: user.password, place: 'request-body' })
  check(await refusal(page), /auth error/i, 'no client in the body is refused in the page')

  const ways = [
    ['a public client, its empty secret in the header', { client: client.client_id, place: 'basic' }],
    ['a public client in the body', { client: client.client_id, place: 'request-body' }],
    ['a confidential client in the header', { client: confidential.client_id, secret: confidential.client_secret, place: 'basic' }],
    ['a confidential client in the body', { client: confidential.client_id, secret: confidential.client_secret, place: 'request-body' }],
  ]
  for (const [name, way] of ways) {
    await authorize(page, { ...way, username: user.username, password: user.password })
    await authorized(page)
    check(await (await schemeOf(page, 'user')).evaluate((place) => place.innerText), /Authorized/, `authorized: ${name}`)
    if (name.startsWith('a public client in the body')) await screenshot(page, 'docs-authorized')
    await close(page)
    const answer = await tryOut(page, 'account', 'account')
    check(`${answer.status} ${answer.body}`, /^200 [^]*"username": "demo"/, `and its access token works: ${name}`)
    await dialog(page)
    await logOut(page, 'user')
  }
  await page.assertClean('Authorize')
  await page.close()
}

async function tryEveryTag(dev) {
  const page = await openDocs(dev.docs)
  const { username, password } = dev.user
  await expand(page, 'operations-tokens-token')
  await page.$eval('#operations-tokens-token .try-out__btn', (button) => button.click())
  await page.waitForSelector('#operations-tokens-token .btn.execute')
  await screenshot(page, 'docs-try-form')
  const token = await tryOut(page, 'tokens', 'token', { grant_type: 'password', client_id: dev.public_client.client_id, username, password, scope: 'account' }, async () => screenshot(page, 'docs-try-token'))
  check(`${token.status} ${token.body}`, /^200 [^]*"refresh_token": "hrt_/, 'tokens: the token endpoint signs in')
  const tokens = JSON.parse(token.body)
  page.expect(400)
  const refused = await tryOut(page, 'tokens', 'token', { grant_type: 'password', client_id: dev.public_client.client_id, username, password: 'wrong' })
  check(`${refused.status} ${refused.body}`, /^400 [^]*"invalid_grant"/, 'tokens: a wrong password is shown as it is')

  await dialog(page)
  await bearer(page, tokens.access_token)
  await close(page)
  const devices = await tryOut(page, 'account', 'listSessions', {}, async () => screenshot(page, 'docs-try-account'))
  check(`${devices.status} ${devices.body}`, /^200 [^]*"current": true/, 'account: an access token of one’s own lists the devices')
  page.expect(403)
  const forbidden = await tryOut(page, 'admin', 'adminListUsers')
  check(`${forbidden.status} ${forbidden.body}`, /^403 [^]*insufficient-scope/, 'admin: not with this token')
  await dialog(page)
  await logOut(page, 'access_token')
  await authorize(page, { client: dev.public_client.client_id, ...dev.admin, scopes: ['admin'] })
  await authorized(page)
  await close(page)
  const users = await tryOut(page, 'admin', 'adminListUsers', {}, async () => screenshot(page, 'docs-try-admin'))
  check(`${users.status} ${users.body}`, /^200 [^]*"username": "demo"/, 'admin: the administrator lists the users')
  const keys = await tryOut(page, 'discovery', 'jwks')
  check(`${keys.status} ${keys.body}`, /^200 [^]*"kty": "RSA"/, 'discovery: the keys are shown')
  const ready = await tryOut(page, 'health', 'ready')
  check(`${ready.status} ${ready.body}`, /^200 [^]*"status": "ok"/, 'health: the server is ready')
  await screenshot(page, 'docs-try-health')
  const revoked = await tryOut(page, 'tokens', 'revoke', { client_id: dev.public_client.client_id, token: tokens.refresh_token })
  check(revoked.status, /^200$/, 'tokens: signed out')
  // Every operation opens, with its examples.
  const all = await page.$$eval('.opblock', (blocks) => blocks.map(({ id }) => id))
  for (const id of all) {
    await expand(page, id)
    await page.$eval(`#${id} .opblock-summary-control`, (summary) => summary.click())
  }
  check(all.length, /^([3-9]\d)$/, `all ${all.length} operations are shown`)
  await page.assertClean('Try it out')
  await page.close()
}

// With every operation open, nothing is wider than the page. The page is dark if the browser asks for that.
async function fitsEveryScreen(dev) {
  for (const [name, width, colours] of [['phone', 390, 'light'], ['desktop', 1280, 'dark']]) {
    const page = await openDocs(dev.docs)
    await page.setViewport({ width, height: 844 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: colours }])
    await page.waitForFunction((dark) => document.documentElement.classList.contains('dark-mode') === dark, {}, colours === 'dark')
    await screenshot(page, `docs-${name}`)
    await page.$$eval('.opblock:not(.is-open) .opblock-summary-control', (summaries) => summaries.forEach((summary) => summary.click()))
    await page.waitForFunction(() => document.querySelectorAll('.responses-table').length === document.querySelectorAll('.opblock').length)
    check(await tooWide(page), /^$/, `all of it fits a ${name}, ${colours}`)
    await page.$eval('#operations-tokens-token', (block) => block.scrollIntoView())
    await screenshot(page, `docs-${name}-open`)
    await page.assertClean(`${name}, ${colours}`)
    await page.close()
  }
}

// The elements that are wider than the page and don't scroll by themselves.
function tooWide(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const scrolls = (element) => element && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement))
    const wide = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement))
    return wide.slice(0, 3).map(({ tagName, className }) => `${tagName}.${className}`).join(' ')
  })
}

// Before Authorize every lock is open. Afterwards the locks of those operations are closed that the token is sent to.
async function locksSayWhatIsSent(dev) {
  const page = await openDocs(dev.docs)
  const closed = () => page.$$eval('.opblock .authorization__btn .locked', (locks) => locks.map((lock) => lock.closest('.opblock').id.replace('operations-', '')).join(' '))
  check(await closed(), /^$/, 'every lock is open at first')
  check(await page.$eval('.info .description', ({ innerText }) => innerText), /Of the four forms there you need one, the first, user/, 'the page says which form to use')
  await dialog(page)
  await bearer(page, 'a-token')
  await close(page)
  await page.waitForSelector('.opblock .authorization__btn .locked')
  check(await closed(), /^(?!.*tokens-)(?=.*account-account).*admin-adminListUsers/, 'with an access token, those are closed that it is sent to')
  await page.assertClean('locks')
  await page.close()
}

// The page at the root, for people who come there by hand.
async function firstPageLeadsOn(dev) {
  const page = await open(`${dev.issuer}/`)
  for (const [name, width] of [['phone', 390], ['desktop', 1280]]) {
    for (const colours of ['light', 'dark']) {
      await page.setViewport({ width, height: 844 })
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: colours }])
      check(await tooWide(page), /^$/, `the first page fits a ${name}`)
      await screenshot(page, `first-${name}-${colours}`)
    }
  }
  await page.click('a[href$=docs]')
  await page.waitForSelector('.opblock')
  await page.assertClean('the first page')
  await page.close()
}

// Behind a proxy that serves heirloom under a path.
async function worksUnderAPath(dev) {
  const { port: inner } = new URL(dev.issuer)
  const proxy = createServer((request, response) => {
    const path = request.url.startsWith('/id/') ? request.url.slice(3) : '/not-here'
    const headers = { ...request.headers, host: `127.0.0.1:${inner}` }
    const forward = ask({ host: '127.0.0.1', port: inner, path, method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    request.pipe(forward)
  })
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done))
  try {
    const page = await openDocs(`http://127.0.0.1:${proxy.address().port}/id/docs`)
    await dialog(page)
    await authorize(page, { client: dev.public_client.client_id, ...dev.user })
    await authorized(page)
    await close(page)
    const answer = await tryOut(page, 'account', 'account')
    check(`${answer.status} ${answer.body}`, /^200 [^]*"username": "demo"/, 'all of it works under a path')
    await page.assertClean('under a path')
    await page.close()
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
}

// In production nothing is filled in.
async function servesNothingFilledIn() {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  writeFileSync(join(folder, 'heirloom.toml'), `issuer = "${issuer}"\n[server]\nlisten = ["127.0.0.1:${port}"]\n[grants]\npassword = true\n[[clients]]\nid = "app"\ntype = "public"\nscopes = ["account"]\n`)
  start(heirloom, ['serve', '--config', join(folder, 'heirloom.toml'), '--log-filter', 'error']).catch(() => {}) // it prints nothing, and is stopped at the end
  for (let tries = 0; !(await fetch(`${issuer}/health/ready`).then(({ ok }) => ok, () => false)); tries += 1) {
    if (tries === 300) throw new Error('heirloom serve is not ready')
    await wait(100)
  }
  const page = await openDocs(`${issuer}/docs`)
  await dialog(page)
  check(JSON.stringify(await form(page)), /^{"client":"","secret":"","username":"","password":"","scopes":\[\]}$/, 'heirloom serve fills nothing in')
  await page.assertClean('heirloom serve')
  await page.close()
}

// --- Swagger UI's page

async function openDocs(url) {
  const page = await open(url)
  await page.setViewport({ width: 1280, height: 1100 })
  await page.waitForSelector('.opblock')
  return page
}

async function dialog(page) {
  await page.evaluate(() => document.querySelector('.auth-wrapper .btn.authorize').click())
  await page.waitForSelector('.dialog-ux #oauth_username, .dialog-ux .auth-container')
}

async function close(page) {
  await page.evaluate(() => document.querySelector('.dialog-ux .close-modal').click())
  await page.waitForFunction(() => !document.querySelector('.dialog-ux'))
}

// The part of the dialog that belongs to a security scheme; of `user`, the form with the password.
async function schemeOf(page, name) {
  const wanted = name === 'user' ? 'user (OAuth2, password)' : name
  const places = await page.$$('.dialog-ux .auth-container')
  for (const place of places) {
    if (await place.evaluate((place, name) => [...place.querySelectorAll('h4')].some((title) => title.innerText.trim().replace(/\s+/g, ' ').startsWith(name)), wanted)) return place
  }
  throw new Error(`the dialog has no ${name}`)
}

async function form(page) {
  return (await schemeOf(page, 'user')).evaluate((place) => {
    const value = (id) => place.querySelector(`#${id}`).value
    return {
      client: value('client_id_password'),
      secret: value('client_secret_password'),
      username: value('oauth_username'),
      password: value('oauth_password'),
      scopes: [...place.querySelectorAll('.scopes input[type=checkbox]:checked')].map((box) => box.dataset.value).sort(),
    }
  })
}

// Fills in the form of the OAuth scheme, as a person does, and sends it.
async function authorize(page, { client = '', secret = '', username = '', password = '', place = 'basic', scopes }) {
  const scheme = await schemeOf(page, 'user')
  await scheme.$eval('select', (select) => select.value).then(async (value) => {
    if (value !== place) await page.select('.dialog-ux #password_type', place)
  })
  for (const [id, text] of Object.entries({ client_id_password: client, client_secret_password: secret, oauth_username: username, oauth_password: password })) {
    const input = await scheme.$(`#${id}`)
    await input.click({ count: 3 })
    await input.press('Backspace')
    if (text) await input.type(text)
  }
  if (scopes) {
    for (const box of await scheme.$$('.scopes input[type=checkbox]')) {
      const { value, checked } = await box.evaluate(({ dataset, checked }) => ({ value: dataset.value, checked }))
      if (checked !== scopes.includes(value)) await box.evaluate((box) => box.click())
    }
  }
  const answered = page.waitForResponse((response) => response.url().endsWith('/oauth/token'))
  await scheme.$eval('.auth-btn-wrapper .authorize', (button) => button.click())
  await answered
}

function refusal(page) {
  return page.waitForSelector('.dialog-ux .errors', { timeout: 5_000 }).then((errors) => errors.evaluate(({ innerText }) => innerText))
}

function authorized(page) {
  return page.waitForFunction(() => [...document.querySelectorAll('.dialog-ux h6')].some(({ innerText }) => innerText === 'Authorized'), { timeout: 5_000 })
}

async function logOut(page, name) {
  const scheme = await schemeOf(page, name)
  await scheme.evaluate((place) => [...(place.closest('form') ?? place).querySelectorAll('.auth-btn-wrapper button')].find(({ innerText }) => innerText === 'Logout').click())
  await page.waitForFunction(() => ![...document.querySelectorAll('.dialog-ux h6')].some(({ innerText }) => innerText === 'Authorized'))
}

async function bearer(page, token) {
  const scheme = await schemeOf(page, 'access_token')
  await (await scheme.$('input')).type(token)
  await scheme.evaluate((place) => place.querySelector('.auth-btn-wrapper .authorize').click())
  await authorized(page)
}

async function expand(page, id) {
  const open = () => page.$eval(`#${id}`, ({ classList }) => classList.contains('is-open'))
  if (!(await open())) await page.$eval(`#${id} .opblock-summary-control`, (summary) => summary.click())
  await page.waitForSelector(`#${id}.is-open .opblock-body`)
}

// Tries an operation out, with these parameters, and resolves with what the page shows of the answer.
async function tryOut(page, tag, operation, parameters = {}, after = async () => {}) {
  const id = `operations-${tag}-${operation}`
  await expand(page, id)
  await page.waitForSelector(`#${id} .try-out__btn`)
  if (!(await page.$(`#${id} .btn.execute`))) await page.$eval(`#${id} .try-out__btn`, (button) => button.click())
  await page.waitForSelector(`#${id} .btn.execute`)
  if (Object.keys(parameters).length > 0) {
    for (const row of await page.$$(`#${id} .opblock-section-request-body tr.parameters`)) {
      const name = await row.$eval('.parameter__name', ({ innerText }) => innerText.split(/[\s*]/)[0])
      const input = await row.$('input[type=text], input[type=password], textarea, select')
      await input.click({ count: 3 })
      await input.press('Backspace')
      if (parameters[name]) await input.type(parameters[name])
      // Swagger UI reads the field when it loses the focus.
      await input.press('Tab')
    }
  }
  // Removes the answer of an earlier try.
  await page.evaluate((id) => document.querySelector(`#${id} .btn-clear`)?.click(), id)
  await page.waitForFunction((id) => !document.querySelector(`#${id} .live-responses-table`), {}, id)
  const answered = page.waitForResponse((response) => response.request().method() !== 'OPTIONS' && !response.url().includes('/docs'))
  await page.$eval(`#${id} .btn.execute`, (button) => button.click())
  const status = String((await answered).status())
  await page.waitForFunction((id, status) => document.querySelector(`#${id} .live-responses-table tbody .response-col_status`)?.innerText.trim().startsWith(status), { timeout: 10_000 }, id, status)
  await page.$eval(`#${id}`, (block) => block.scrollIntoView())
  await after()
  return page.$eval(`#${id} .live-responses-table tbody`, (table, status) => ({ status, body: table.querySelector('.response-col_description pre')?.innerText ?? '' }), status)
}
