// oidc-client-ts, in a page in Chromium.
import { checks, report, version, withApp } from './browser.mjs'

const name = 'oidc-client-ts'
await withApp(name, (page) => report(name, version(name), checks(Object.assign(page, { client: name }))))
