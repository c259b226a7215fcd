// A page of a sibling domain plants cookies in Chromium whose names look like that of heirloom's cookie. heirloom must
// accept none of them.
//
//     npm ci && node planted.mjs [FOLDER OF THE BINARIES, ../../target/debug] [CHROMIUM, /usr/bin/chromium]
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { binaries, check, drive, folder, freePort, launch, open } from './harness.mjs'

const SPACES = ['\u2000', '\u00a0', '\u0085', '\u3000', '\u1680', '\u202f', '\ufeff']
const PASSWORD = 'tulip-quartz-93-lantern'
const refresh = { grant_type: 'refresh_token', client_id: 'browser-app' }

await drive('planted', async () => {
  const [issuerPort, appPort, siblingPort] = [await freePort(), await freePort(), await freePort()]
  const issuer = `https://id.example.test:${issuerPort}`
  const app = `https://app.example.test:${appPort}`
  const sibling = `https://sibling.example.test:${siblingPort}`
  makeCertificate()
  const heirloom = serve(issuerPort, issuer, app)
  const pages = [appPort, siblingPort].map((port) => page(port))
  try {
    await answers(issuerPort)
    for (const username of ['ann', 'mallory']) {
      const person = JSON.stringify({ username, email: `${username}@example.test`, password: PASSWORD })
      const { status } = await ask(issuerPort, 'POST', '/account', { 'Content-Type': 'application/json' }, person)
      check(status, /^201$/, `${username} signs up`)
    }
    const signedIn = await ask(issuerPort, 'POST', '/oauth/token', { 'Content-Type': 'application/x-www-form-urlencoded', Origin: app }, form('mallory'))
    const [pair] = signedIn.headers['set-cookie'][0].split(';')
    const [name, token] = pair.split('=')
    const mallory = subject(JSON.parse(signedIn.text))
    check(name, /^__Host-heirloom_/, 'over TLS the cookie has the prefix')

    await launch(['--ignore-certificate-errors', '--host-resolver-rules=MAP *.example.test 127.0.0.1'])
    const own = await open(app, [app, issuer])
    const evil = await open(sibling, [sibling])
    const person = await post(own, issuer, '/oauth/token', form('ann'))
    const ann = subject(person.body)
    check(ann !== mallory, /^true$/, 'two people')

    let kept = 0
    for (const space of SPACES) {
      const code = `U+${space.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`
      for (const path of ['/', '/oauth', '/oauth/token']) {
        await evil.evaluate((cookie) => { document.cookie = cookie }, `${space}${name}=${token}; Domain=example.test; Path=${path}; Secure`)
      }
      kept += await evil.evaluate(() => document.cookie.includes('hrt_')) ? 1 : 0
      const refreshed = await post(own, issuer, '/oauth/token', refresh)
      check(`${refreshed.status} ${refreshed.status === 200 && subject(refreshed.body) === ann}`, /^200 true$/, `${code} before the name: the person's own session goes on`)
    }
    check(kept >= 1, /^true$/, `the browser keeps ${kept} of ${SPACES.length} such names`)
    await evil.evaluate((cookie) => { document.cookie = cookie }, `${name}=${token}; Domain=example.test; Path=/; Secure`)
    check(await evil.evaluate((name) => document.cookie.split('; ').some((pair) => pair.startsWith(`${name}=`)), name), /^false$/, 'the name itself the browser does not let it set')

    const out = await post(own, issuer, '/oauth/revoke', { client_id: 'browser-app' })
    check(out.status, /^200$/, 'the person signs out, though planted cookies are sent along')
    own.expect(400)
    const gone = await post(own, issuer, '/oauth/token', refresh)
    check(`${gone.status} ${gone.body.error}`, /^400 invalid_grant$/, 'and with nothing but planted cookies nobody is signed in')
    const still = await ask(issuerPort, 'POST', '/oauth/token', { 'Content-Type': 'application/x-www-form-urlencoded', Origin: app, Cookie: pair }, new URLSearchParams(refresh).toString())
    check(still.status, /^200$/, "the sibling's own session was good all the while")
    await own.assertClean('the page of the app')
  } finally {
    heirloom.kill()
    for (const server of pages) server.close()
  }
})

function form(username) {
  return new URLSearchParams({ grant_type: 'password', client_id: 'browser-app', username, password: PASSWORD }).toString()
}

function makeCertificate() {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=example.test', '-addext', 'subjectAltName=DNS:*.example.test', '-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.pem')], { stdio: 'ignore' })
}

function serve(port, issuer, app) {
  const config = join(folder, 'heirloom.toml')
  writeFileSync(config, `
issuer = "${issuer}"
[server]
listen = ["127.0.0.1:${port}"]
[server.tls]
certificate = "tls.pem"
key = "tls.key"
[grants]
password = true
[accounts]
registration = "open"
[[clients]]
id = "browser-app"
type = "public"
origins = ["${app}"]
refresh_token_delivery = "cookie"
`)
  return spawn(join(binaries, 'heirloom'), ['serve', '--config', config, '--log-filter', 'error'], { stdio: ['ignore', 'inherit', 'inherit'] })
}

// An empty page at every host name.
function page(port) {
  const files = { cert: readFileSync(join(folder, 'tls.pem')), key: readFileSync(join(folder, 'tls.key')) }
  const server = createServer(files, (_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end('<!doctype html><title>A page</title><link rel="icon" href="data:,">')
  })
  return server.listen(port, '127.0.0.1')
}

// Asks heirloom from Node.js, without checking the certificate.
function ask(port, method, path, headers = {}, body = '') {
  return new Promise((done, failed) => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, servername: 'id.example.test' }, (response) => {
      let text = ''
      response.on('data', (data) => { text += data }).on('end', () => done({ status: response.statusCode, headers: response.headers, text }))
    })
    asked.on('error', failed)
    asked.end(body)
  })
}

async function answers(port) {
  for (let tries = 0; tries < 300; tries += 1) {
    try {
      await ask(port, 'GET', '/health/live')
      return
    } catch {
      await wait(100)
    }
  }
  throw new Error('heirloom does not answer')
}

// Posts a form from a page, with its cookies.
function post(from, issuer, path, fields) {
  return from.evaluate(async (url, fields) => {
    const response = await fetch(url, { method: 'POST', credentials: 'include', body: new URLSearchParams(fields) })
    return { status: response.status, body: await response.json() }
  }, issuer + path, fields)
}

// The user that an access token belongs to.
function subject({ access_token: token }) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).sub
}
