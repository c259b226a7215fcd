// The results that a program prints for the runner: one line of JSON for each check.
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

/** The environment variables that the runner sets. */
export const server = {
  issuer: process.env.HEIRLOOM_ISSUER,
  id: process.env.HEIRLOOM_CLIENT_ID,
  secret: process.env.HEIRLOOM_CLIENT_SECRET,
  publicId: process.env.HEIRLOOM_PUBLIC_CLIENT_ID,
  username: process.env.HEIRLOOM_USERNAME,
  password: process.env.HEIRLOOM_PASSWORD,
  audience: process.env.HEIRLOOM_AUDIENCE,
  accessTokenSeconds: Number(process.env.HEIRLOOM_ACCESS_TOKEN_SECONDS),
  typ: process.env.HEIRLOOM_TYP,
  rotate: process.env.HEIRLOOM_ROTATE,
}

/** The installed version of a package. */
function version(name) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).version
}

/**
 * Notes the results of the checks of a library, or of several packages that are used together. `print` prints them, so
 * that checks that run at the same time are printed in order.
 */
export function reporter(packages, as, style) {
  const library = packages.join(' with ')
  const what = { library, version: packages.map(version).join(' with '), as, style }
  const lines = []
  const say = (check, result, note) => lines.push(JSON.stringify({ ...what, check, result, note }))
  return {
    print: () => console.log(lines.join('\n')),
    notSupported: (check, note) => say(check, 'not supported', note),
    /** Runs a check. */
    async check(name, run) {
      try {
        await run()
        say(name, 'passed')
      } catch (error) {
        console.error(`${library} (${style ?? as}): ${name}:`, error)
        const cause = error.cause && ` ${inspect(error.cause, { depth: 1, breakLength: Infinity })}`
        say(name, 'failed', `${error.name}: ${error.message}${cause ?? ''}`)
      }
    },
  }
}

/** The claims of a JWT; the signature is not checked. */
export const claims = (jwt) => part(jwt, 1)

/** The header of a JWT. */
export const header = (jwt) => part(jwt, 0)

const part = (jwt, index) => JSON.parse(Buffer.from(jwt.split('.')[index], 'base64url').toString())
