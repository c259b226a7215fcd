// Walks through openapi/heirloom.json: every operation has a description, and every example fits its schema.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import Ajv from 'ajv'

const specification = JSON.parse(readFileSync('../../openapi/heirloom.json'))
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
ajv.addSchema(specification, 'heirloom')

let examples = 0
const pointer = (...steps) => steps.map((step) => encodeURIComponent(String(step).replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')

// Checks the examples of a media type: there is at least one, each fits its schema, and none has a field beyond it.
function examine(media, at, what) {
  const found = 'example' in media ? [media.example] : Object.values(media.examples ?? {}).map(({ value }) => value)
  assert.ok(found.length > 0, `${what} has no example`)
  const validate = ajv.getSchema(`heirloom#/${at}/schema`)
  for (const example of found) {
    assert.ok(validate(example), `${what}: ${ajv.errorsText(validate.errors)}`)
    noUnknownFields(media.schema, example, what)
    examples += 1
  }
}

const resolve = (schema) => schema.$ref ? specification.components.schemas[schema.$ref.split('/').at(-1)] : schema

function noUnknownFields(schema, value, what) {
  const { properties, items, allOf } = resolve(schema)
  if (Array.isArray(value) && items) value.forEach((item) => noUnknownFields(items, item, what))
  if (properties && !allOf) {
    for (const [name, field] of Object.entries(value)) {
      assert.ok(name in properties, `${what}: the schema has no field ${name}`)
      noUnknownFields(properties[name], field, what)
    }
  }
}

const tags = new Map(specification.tags.map(({ name, description }) => [name, description]))
for (const [name, description] of tags) assert.ok(description, `the tag ${name} is not described`)
const ids = new Set()
for (const [path, operations] of Object.entries(specification.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    const what = `${method} ${path}`
    for (const field of ['summary', 'description', 'operationId', 'security', 'responses']) assert.ok(operation[field], `${what} has no ${field}`)
    assert.ok(!ids.has(operation.operationId), `${operation.operationId} is there twice`)
    ids.add(operation.operationId)
    assert.ok(operation.tags?.length > 0 && operation.tags.every((tag) => tags.has(tag)), `${what} has no tag`)
    for (const parameter of operation.parameters ?? []) assert.ok(parameter.description, `${what}: ${parameter.name} is not described`)
    const at = pointer('paths', path, method)
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
      examine(media, `${at}/${pointer('requestBody', 'content', type)}`, `${what}, request`)
    }
    const statuses = Object.keys(operation.responses)
    assert.ok(statuses.some((status) => status < 300) && statuses.some((status) => status >= 400), `${what} has no success or no error`)
    for (const [status, response] of Object.entries(operation.responses)) {
      assert.ok(response.description, `${what}, ${status} is not described`)
      assert.ok(response.content || status < 400, `${what}, ${status} has no content`)
      for (const [type, media] of Object.entries(response.content ?? {})) {
        examine(media, `${at}/${pointer('responses', status, 'content', type)}`, `${what}, ${status}`)
      }
    }
  }
}
assert.ok(/^https:\/\/[^/]+$/.test(specification.servers[0].url), `${specification.servers[0].url} is no server that a generator can take`)
for (const url of [...Object.values(specification.components.securitySchemes).flatMap(({ flows }) => Object.values(flows ?? {})).flatMap(({ tokenUrl, refreshUrl }) => [tokenUrl, refreshUrl])]) {
  assert.ok(url && !/^\/|^[a-z]+:/.test(url), `${url} is not relative`)
}
assert.ok(ids.size >= 35, `only ${ids.size} operations`)
console.log(`specification: ${ids.size} operations and ${examples} examples are as they must be`)
