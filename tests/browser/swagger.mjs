// Swagger UI's page, as a person uses it.
import { open } from './harness.mjs'

// The elements that are wider than the page and don't scroll by themselves.
export function tooWide(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const scrolls = (element) => element && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement))
    const wide = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement))
    return wide.slice(0, 3).map(({ tagName, className }) => `${tagName}.${className}`).join(' ')
  })
}

export async function openDocs(url) {
  const page = await open(url)
  await page.setViewport({ width: 1280, height: 1100 })
  await page.waitForSelector('.opblock')
  return page
}

export async function dialog(page) {
  await page.evaluate(() => document.querySelector('.auth-wrapper .btn.authorize').click())
  await page.waitForSelector('.dialog-ux #oauth_username, .dialog-ux .auth-container')
}

export async function close(page) {
  await page.evaluate(() => document.querySelector('.dialog-ux .close-modal').click())
  await page.waitForFunction(() => !document.querySelector('.dialog-ux'))
}

// The part of the dialog that belongs to a security scheme; of `user`, the form with the password.
export async function schemeOf(page, name) {
  const wanted = name === 'user' ? 'user (OAuth2, password)' : name
  const places = await page.$$('.dialog-ux .auth-container')
  for (const place of places) {
    if (await place.evaluate((place, name) => [...place.querySelectorAll('h4')].some((title) => title.innerText.trim().replace(/\s+/g, ' ').startsWith(name)), wanted)) return place
  }
  throw new Error(`the dialog has no ${name}`)
}

export async function form(page) {
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
export async function authorize(page, { client = '', secret = '', username = '', password = '', place = 'basic', scopes }) {
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

export function refusal(page) {
  return page.waitForSelector('.dialog-ux .errors', { timeout: 60_000 }).then((errors) => errors.evaluate(({ innerText }) => innerText))
}

export function authorized(page) {
  return page.waitForFunction(() => [...document.querySelectorAll('.dialog-ux h6')].some(({ innerText }) => innerText === 'Authorized'), { timeout: 60_000 })
}

export async function logOut(page, name) {
  const scheme = await schemeOf(page, name)
  await scheme.evaluate((place) => [...(place.closest('form') ?? place).querySelectorAll('.auth-btn-wrapper button')].find(({ innerText }) => innerText === 'Logout').click())
  await page.waitForFunction(() => ![...document.querySelectorAll('.dialog-ux h6')].some(({ innerText }) => innerText === 'Authorized'))
}

export async function bearer(page, token) {
  const scheme = await schemeOf(page, 'access_token')
  await (await scheme.$('input')).type(token)
  await scheme.evaluate((place) => place.querySelector('.auth-btn-wrapper .authorize').click())
  await authorized(page)
}

export async function expand(page, id) {
  const open = () => page.$eval(`#${id}`, ({ classList }) => classList.contains('is-open'))
  if (!(await open())) await page.$eval(`#${id} .opblock-summary-control`, (summary) => summary.click())
  await page.waitForSelector(`#${id}.is-open .opblock-body`)
}

// Tries an operation out, with these parameters, and resolves with what the page shows of the answer.
export async function tryOut(page, tag, operation, parameters = {}, after = async () => {}) {
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
  await page.waitForFunction((id, status) => document.querySelector(`#${id} .live-responses-table tbody .response-col_status`)?.innerText.trim().startsWith(status), { timeout: 60_000 }, id, status)
  await page.$eval(`#${id}`, (block) => block.scrollIntoView())
  await after()
  return page.$eval(`#${id} .live-responses-table tbody`, (table, status) => ({ status, body: table.querySelector('.response-col_description pre')?.innerText ?? '' }), status)
}
