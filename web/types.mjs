/**
 * The types of what the server sends and takes, from its OpenAPI document.
 *
 *   npm run types            asks `isocenter openapi`, writes openapi.json and src/api/schema.d.ts (both are committed)
 *   npm run types:check      says whether schema.d.ts is what openapi.json gives; a pytest says whether openapi.json is what the server gives
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'

const place = (path) => fileURLToPath(new URL(path, import.meta.url))
const DOCUMENT = place('openapi.json')
const TYPES = place('src/api/schema.d.ts')
const HEAD = '/** Generated from the OpenAPI document by `npm run types`; never edited by hand. */\n'

const check = process.argv.includes('--check')
if (!check) {
  const python = process.env.ISOCENTER_PYTHON ?? place('../.venv/bin/python')
  writeFileSync(DOCUMENT, execFileSync(python, ['-m', 'gateway.cli', 'openapi'], { cwd: place('..'), env: { ...process.env, PYTHONPATH: place('..') }, maxBuffer: 1 << 26 }))
}
const { components } = JSON.parse(readFileSync(DOCUMENT, 'utf8'))
// Paths are left out: the pages name them in src/api, and 8,000 lines of them would be read by nobody.
const tree = await openapiTS(
  { openapi: '3.1.0', info: { title: '', version: '' }, paths: {}, components: { schemas: components.schemas } },
  { exportType: true, defaultNonNullable: false, rootTypes: true, rootTypesNoSchemaPrefix: true },
)
const text = HEAD + astToString(tree)
if (!check) writeFileSync(TYPES, text)
else if (readFileSync(TYPES, 'utf8') !== text) {
  console.error('src/api/schema.d.ts is not what openapi.json gives: npm run types --prefix web')
  process.exit(1)
}
