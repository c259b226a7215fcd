// Checks openapi/heirloom.json with the recommended rules of Redocly and Spectral, including warnings, and with walk.mjs.
//
//     npm ci && node run.mjs
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const specification = '../../openapi/heirloom.json'
const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
const tool = (name, ...parameters) => execFileSync(join('node_modules/.bin', name), parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, env })

function must(name, clean, ...parameters) {
  try {
    const said = tool(name, ...parameters)
    if (!clean.test(said)) throw Object.assign(new Error('not clean'), { stdout: said })
    console.log(`${name}: no error, no warning`)
  } catch (error) {
    console.error(`${name}: ${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`)
    process.exitCode = 1
  }
}

// Redocly's exit status ignores warnings; its JSON summary counts them.
must('redocly', /"errors": 0,\s*"warnings": 0,\s*"ignored": 0/, 'lint', specification, '--config', 'redocly.yaml', '--format', 'json')
must('spectral', /^No results with a severity of 'hint' or higher found!\s*$/, 'lint', specification, '--ruleset', 'spectral.yaml', '--fail-severity', 'hint', '--display-only-failures')
await import('./walk.mjs')
