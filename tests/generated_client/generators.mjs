// Makes clients of openapi/heirloom.json by openapi-python-client, oapi-codegen and openapi-generator (go, python, java,
// typescript-axios), compiles them, and lets each sign in, list the sessions, refresh and sign out at `heirloom dev`.
// The clients are written to target/generated_client.
//
//     npm ci && node generators.mjs [FOLDER OF THE BINARIES, ../../target/debug]
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const heirloom = join(resolve(process.argv[2] ?? '../../target/debug'), 'heirloom')
const specification = resolve('../../openapi/heirloom.json')
const here = resolve('generators')
const target = resolve('../../target/generated_client')
const MINUTES = 60_000
// For commands that download.
const again = resolve('../../.ci/again')

// Runs a command, and shows its output if it fails.
function command(cwd, program, ...parameters) {
  const began = Date.now()
  try {
    execFileSync(program, parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 10 * MINUTES, env })
  } catch (error) {
    throw new Error(`${program} ${parameters.join(' ')}: ${error.message}\n${error.stdout ?? ''}`)
  }
  console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${[program.split('/').at(-1), ...parameters].join(' ').slice(0, 90)}`)
}
let env = process.env

function makeAll() {
  for (const folder of ['go', 'python', 'typescript', 'java/generated', 'java/classes']) rmSync(join(target, folder), { recursive: true, force: true })
  // One Maven run makes the four clients of openapi-generator, and compiles the one for Java.
  command(here, again, 'mvn', '--quiet', '--batch-mode', '--strict-checksums', 'compile')

  const go = join(target, 'go')
  for (const file of ['go.mod', 'go.sum', 'main.go']) cpSync(join(here, 'go', file), join(go, file))
  for (const file of ['go.mod', 'go.sum']) rmSync(join(go, 'openapi', file), { force: true })
  mkdirSync(join(go, 'oapi'))
  command(go, again, 'go', 'tool', 'oapi-codegen', '-generate', 'types,client', '-package', 'oapi', '-o', 'oapi/oapi.go', specification)
  command(go, again, 'go', 'vet', './...')
  command(go, 'go', 'build', '-buildvcs=false', '-o', 'client', '.')

  cpSync(join(here, 'typescript'), join(target, 'typescript'), { recursive: true })
  writeFileSync(join(target, 'typescript/package.json'), '{"type": "module"}')
  symlinkSync(resolve('node_modules'), join(target, 'typescript/node_modules'))
  command(join(target, 'typescript'), resolve('node_modules/.bin/tsc'), '--project', 'tsconfig.json')

  const venv = join(target, 'venv')
  const wanted = readFileSync(join(here, 'python/requirements.txt'), 'utf8')
  const mark = join(venv, 'installed.txt')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== wanted) {
    command(target, 'python3', '-m', 'venv', '--clear', 'venv')
    command(target, again, 'venv/bin/pip', 'install', '--quiet', '--disable-pip-version-check', '-r', join(here, 'python/requirements.txt'))
    writeFileSync(mark, wanted)
  }
  command(target, 'venv/bin/openapi-python-client', 'generate', '--path', specification, '--output-path', 'python/heirloom_client', '--meta', 'none', '--overwrite')
}

makeAll()
const folder = mkdtempSync(join(tmpdir(), 'heirloom-generators-'))
const server = spawn(heirloom, ['dev', '--json', '--port', '0', '--data', folder], { stdio: ['ignore', 'pipe', 'ignore'] })
try {
  const announced = await new Promise((done, failed) => {
    createInterface({ input: server.stdout }).once('line', done)
    server.once('exit', (code) => failed(new Error(`heirloom ended with ${code}`)))
    server.once('error', failed)
  })
  const { issuer, public_client: client, user } = JSON.parse(announced)
  env = { ...process.env, ISSUER: issuer, CLIENT_ID: client.client_id, USERNAME: user.username, PASSWORD: user.password,
    NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1', PYTHONPATH: join(target, 'python') }
  command(target, 'go/client')
  command(target, process.execPath, 'typescript/client.js')
  command(target, 'java', '-cp', `java/classes:${readFileSync(join(target, 'java/classpath'), 'utf8').trim()}`, 'Main')
  command(target, 'venv/bin/python', '-B', join(here, 'python/by_openapi_generator.py'))
  command(target, 'venv/bin/python', '-B', join(here, 'python/by_openapi_python_client.py'))
  console.log('generators: six clients signed in, listed, refreshed, signed out')
} finally {
  server.kill()
  // A server that is stopping may still write something.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
}
