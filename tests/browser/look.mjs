// Looks at pages: axe-core, sizes, screenshots in both colour schemes.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { check, screenshot } from './harness.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const SIZES = [320, 1280]
const SCHEMES = ['light', 'dark']

// Looks at a page in both colour schemes and both sizes.
export async function look(page, name) {
  for (const scheme of SCHEMES) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }])
    for (const width of SIZES) {
      await page.setViewport({ width, height: 800 })
      // The page's policy forbids scripts in it, not the test's own.
      await page.setJavaScriptEnabled(true)
      await page.evaluate(axe)
      const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`)
      check(found.join('\n'), /^$/, `${name}, ${scheme}, ${width}: axe-core finds nothing`)
      await fits(page, `${name}, ${scheme}, ${width}`)
      await screenshot(page, `page-${name}-${scheme}-${width}`, { fullPage: true })
    }
  }
  await page.setJavaScriptEnabled(false)
  check(await small(page), /^$/, `${name}: every target has 24 pixels and more`)
}

// The targets that are smaller than 24 pixels (WCAG 2.2, 2.5.8); links inside of a sentence may be.
function small(page) {
  return page.evaluate(() => [...document.querySelectorAll('a, button, input:not([type=hidden]), summary')]
    .filter((target) => target.className !== 'skip' && !target.closest('p'))
    .map((target) => [target, target.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < 24 || height < 24)
    .map(([target, { width, height }]) => `${target.outerHTML}: ${width} x ${height}`).join('\n'))
}

// Presses a button or a link, and waits for the page that it leads to.
export async function press(page, selector) {
  await Promise.all([page.waitForNavigation(), page.$eval(selector, (button) => button.click())])
}


// Nothing is wider than the window, and no text is wider than what it stands in.
export async function fits(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  check(wide, /^0$/, `${what}: nothing is wider than the window`)
  const cut = await page.evaluate(() => [...document.querySelectorAll('h1, h2, h3, p, li, dd, dt, label, button, .badge, a')]
    .filter((one) => one.className !== 'skip' && one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.outerHTML.slice(0, 120)).join('\n'))
  check(cut, /^$/, `${what}: no text is cut off`)
}
