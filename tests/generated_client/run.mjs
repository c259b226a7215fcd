// Generates a client from openapi/heirloom.json, compiles it strictly, and lets it talk to `heirloom dev`.
//
//     npm ci && node run.mjs [FOLDER OF THE BINARIES, ../../target/debug]
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const heirloom = join(resolve(process.argv[2] ?? '../../target/debug'), 'heirloom')
const tool = (name, ...parameters) => execFileSync(join('node_modules/.bin', name), parameters, { stdio: 'inherit', timeout: 120_000 })

rmSync('generated', { recursive: true, force: true })
mkdirSync('generated')
tool('openapi-typescript', '../../openapi/heirloom.json', '--output', 'generated/heirloom.ts')
copyFileSync('client.ts', 'generated/client.ts')
tool('tsc', '--project', 'tsconfig.json')

const folder = mkdtempSync(join(tmpdir(), 'heirloom-client-'))
const server = spawn(heirloom, ['dev', '--json', '--port', '0', '--data', folder], { stdio: ['ignore', 'pipe', 'inherit'] })
try {
  const announced = await new Promise((done, failed) => {
    createInterface({ input: server.stdout }).once('line', done)
    server.once('exit', (code) => failed(new Error(`heirloom ended with ${code}`)))
    server.once('error', failed)
  })
  execFileSync(process.execPath, ['generated/client.js'], { stdio: 'inherit', timeout: 60_000, env: { ...process.env, HEIRLOOM: announced } })
} finally {
  server.kill()
  // A server that is stopping may still write something.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
}
