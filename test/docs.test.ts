import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { OPERATIONS } from '../src/admin/operations.ts'
import { describeSettings } from '../src/settings/load.ts'
import { WIRE_ERRORS } from '../src/http/errors.ts'
import { createMetrics } from '../src/http/metrics/metrics.ts'
import { ROUTES } from '../src/http/routes.ts'
import { headingsOf } from './support/headings.ts'
import { openLocalTrust } from './support/local-trust.ts'
import { countersign } from './support/server-process.ts'

const ROOT = join(import.meta.dirname, '..')
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const code = (text: string): string => `\`${text}\``

test('docs/API.md has every route', () => {
  const rows = ROUTES.map(({ method, path, operation }) => {
    return row(code(method), code(path.replace(/\*(\w+)/g, '<$1>')), code(operation))
  })
  compare('docs/API.md', 'Routes', rows)
})

test('docs/API.md has every error code', () => {
  const rows = Object.entries(WIRE_ERRORS).map(([name, { status, code: wire, retryAfter = '–' }]) => {
    return row(code(name), `${status}`, code(wire), `${retryAfter}`)
  })
  compare('docs/API.md', 'Error codes', rows)
})

test('docs/API.md has every operation of the admin API', () => {
  const rows = OPERATIONS.map(({ name, method, path, action, summary }) => {
    return row(code(name), code(`${method} ${path.replace(/:(\w+)/g, '<$1>')}`), action, summary)
  })
  compare('docs/API.md', 'Operations', rows)
})

test('docs/REFERENCE.md has every setting with its default', () => {
  const rows = describeSettings({ environment: {} }).map(({ name, value, help }) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return row(code(name), ['null', '[]'].includes(text) ? '–' : code(text), help)
  })
  compare('docs/REFERENCE.md', 'Settings', rows)
})

test("docs/REFERENCE.md has every metric of Countersign's own", async () => {
  const local = await openLocalTrust(Date.now())
  try {
    const metrics = createMetrics(local.trust, local.directory).registry.getMetricsAsArray()
    const ours = metrics.filter(({ name }) => !/^(?:nodejs|process)_/.test(name))
    compare(
      'docs/REFERENCE.md',
      'Metrics',
      ours.map(({ name, help }) => row(code(name), help)),
    )
  } finally {
    await local.close()
  }
})

test('docs/DEPENDENCIES.md has every package', () => {
  const packages = JSON.parse(textOf('package.json')) as Record<string, Readonly<Record<string, string>>>
  for (const [section, member] of Object.entries({
    'At run time': 'dependencies',
    Optional: 'optionalDependencies',
    'For development': 'devDependencies',
  })) {
    compare(
      'docs/DEPENDENCIES.md',
      section,
      Object.keys(packages[member] ?? {}).map((name) => row(code(name))),
    )
  }
})

test('docs/ARCHITECTURE.md has every folder of src/', () => {
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  compare(
    'docs/ARCHITECTURE.md',
    'Layers',
    folders.map(({ name }) => row(code(`${name}/`))),
  )
})

test('README.md has every command', async () => {
  const { stdout } = await countersign(['--help'], process.env)
  const list = stdout.slice(stdout.indexOf('\nCommands:\n'), stdout.indexOf('\nExit codes:'))
  const commands = [...list.matchAll(/^ {2}(\w\S*)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help')
  const told = [...textOf('README.md').matchAll(/^countersign (\w\S*)/gm)].map(([, name = '']) => name)
  assert.deepEqual(told, commands, 'README.md, "The command line", lists other commands, or in another order')
})

const documents = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
const DOCUMENTS = ['README.md', 'CHANGELOG.md', ...documents]

test('relative links have existing targets, and lead to existing headings', () => {
  for (const file of DOCUMENTS) {
    for (const [, target = '', heading = ''] of textOf(file).matchAll(/\]\(([^)#\s]*)#?([^)]*)\)/g)) {
      if (/^https?:/.test(target)) continue
      const named = target === '' ? file : join(dirname(file), target)
      assert.ok(existsSync(join(ROOT, named)), `${file} links to ${target}, which does not exist`)
      if (heading !== '')
        assert.ok(headingsOf(textOf(named)).includes(heading), `${file} links to ${target}#${heading}: no such heading`)
    }
  }
})

test('source files named in documents exist', () => {
  const sources = ['src', 'scripts', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `/${folder}/${name}`),
  )
  for (const file of DOCUMENTS) {
    for (const [, named = ''] of textOf(file).matchAll(/`([\w./-]+\.ts)`/g)) {
      assert.ok(
        sources.some((source) => source.endsWith(`/${named}`)),
        `${file} names ${named}, which does not exist`,
      )
    }
  }
})

/** Returns the start of a table row with what the code knows. The text after it is for people. */
function row(...cells: string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** Asserts that the first table under this heading has exactly these rows, by their starts. */
function compare(file: string, heading: string, rows: readonly string[]): void {
  const [, section = ''] = textOf(file).split(new RegExp(`^## ${heading}$`, 'm'))
  const table = /^\|.*\n\|[ :|-]+\n((?:\|.*\n)*)/m.exec(section)?.[1] ?? ''
  const lines = table
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ {2,}/g, ' '))
  const missing = rows.filter((each) => !lines.some((line) => line.startsWith(each)))
  const surplus = lines.filter((line) => line !== '' && !rows.some((each) => line.startsWith(each)))
  const told = [...missing.map((each) => `add     ${each}`), ...surplus.map((each) => `remove  ${each}`)]
  if (told.length > 0) assert.fail(`${file}, "${heading}", does not match the code:\n${told.join('\n')}`)
}
