// What a program says to the runner: one line of JSON a check.
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

/** What the runner says to a program. */
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

/** The version of a package that is installed, whatever package.json asks for. */
function version(name) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).version
}

/**
 * Notes what became of the checks of a library, or of several packages that are used together; `print` says it, so that
 * what is checked at the same time is said in its order.
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

/** The claims of a JWT, without a look at its signature. */
export const claims = (jwt) => part(jwt, 1)

/** The header of a JWT. */
export const header = (jwt) => part(jwt, 0)

const part = (jwt, index) => JSON.parse(Buffer.from(jwt.split('.')[index], 'base64url').toString())
