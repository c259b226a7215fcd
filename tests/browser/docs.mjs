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
import { authorizeByCode, demoShowsItsTokens } from './docs_code.mjs'
import { authorize, authorized, bearer, close, dialog, expand, form, logOut, openDocs, refusal, schemeOf, tooWide, tryOut } from './swagger.mjs'

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
