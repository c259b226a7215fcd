// angular-oauth2-oidc, in a page in Chromium.
import { checks, report, version, withApp } from './browser.mjs'

const name = 'angular-oauth2-oidc'
await withApp(name, (page) => report(name, version(name), checks(Object.assign(page, { client: name }))))
