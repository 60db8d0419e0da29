import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { test } from 'node:test'

const SOURCE = join(import.meta.dirname, '..', 'src')

/** Allowed imports: a layer sees only those listed here, and itself. Files directly in `src/` go by their names. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  memory: [],
  tuf: ['errors.ts', 'memory'],
  log: [],
  store: ['errors.ts', 'atomic-file.ts', 'make-directory.ts', 'memory', 'tuf'],
  signing: ['errors.ts', 'atomic-file.ts', 'make-directory.ts', 'memory', 'tuf'],
  repository: ['errors.ts', 'log', 'memory', 'tuf', 'store', 'signing'],
  access: ['errors.ts', 'pem-certificates.ts', 'memory', 'tuf', 'store'],
  registry: ['errors.ts', 'loopback.ts', 'pem-certificates.ts', 'tuf'],
  admin: ['errors.ts', 'plain-issues.ts', 'tuf', 'store', 'signing', 'access', 'repository'],
  'node-http.ts': [],
  'plain-issues.ts': [],
  'loopback.ts': [],
  'pem-certificates.ts': [],
  'make-directory.ts': [],
  'atomic-file.ts': [],
  settings: ['errors.ts', 'plain-issues.ts', 'loopback.ts'],
  http: ['errors.ts', 'node-http.ts', 'log', 'memory', 'tuf', 'store', 'access', 'repository', 'admin', 'settings'],
  'custody.ts': ['settings', 'tuf', 'signing', 'access'],
  'authentication.ts': ['errors.ts', 'pem-certificates.ts', 'settings', 'log', 'access'],
  'trust.ts': ['settings', 'log', 'store', 'signing', 'repository'],
  threads: [
    ...['errors.ts', 'settings', 'log', 'trust.ts', 'custody.ts', 'authentication.ts'],
    ...['memory', 'tuf', 'store', 'signing', 'access', 'repository', 'http'],
  ],
  'server-directory.ts': ['errors.ts', 'atomic-file.ts', 'make-directory.ts', 'settings', 'signing', 'store'],
  'prepare.ts': ['errors.ts', 'settings', 'server-directory.ts', 'signing', 'store'],
  'backup.ts': ['errors.ts', 'settings', 'server-directory.ts', 'store'],
  'repair.ts': ['errors.ts', 'settings', 'custody.ts', 'server-directory.ts', 'store', 'signing', 'repository'],
  'control-socket.ts': ['settings'],
  'world.ts': ['errors.ts', 'pem-certificates.ts', 'settings', 'backup.ts', 'store', 'signing', 'repository', 'admin'],
  server: [
    ...['errors.ts', 'settings', 'log', 'authentication.ts'],
    ...['tuf', 'store', 'signing', 'repository', 'admin', 'http'],
  ],
  'main.ts': [
    ...['settings', 'log', 'prepare.ts', 'custody.ts', 'authentication.ts'],
    ...['trust.ts', 'world.ts', 'control-socket.ts'],
    ...['memory', 'store', 'access', 'repository', 'http', 'threads', 'server'],
  ],
  cli: [
    ...[
      'errors.ts',
      'atomic-file.ts',
      'settings',
      'log',
      'custody.ts',
      'node-http.ts',
      'trust.ts',
      'world.ts',
      'main.ts',
    ],
    ...['control-socket.ts', 'server-directory.ts', 'repair.ts'],
    ...['tuf', 'store', 'signing', 'access', 'registry', 'repository', 'admin'],
  ],
}

/** The only modules of Node and of packages that `tuf` may use. */
const TUF_MAY_USE = ['node:buffer', 'node:crypto', '@noble/ed25519']

/** Lines; a longer file holds more than one idea. */
const FILE_MAX_LINES = 250

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const textOf = (file: string): string => readFileSync(join(SOURCE, file), 'utf8')
const layerOf = (file: string): string => file.split(sep)[0] ?? ''
const importsOf = (file: string): string[] =>
  [...textOf(file).matchAll(/(?:from|import\(|^import)\s*'([^']+)'/gm)].map(([, name = '']) => name)

/** Returns the files of `src/` that a file imports. */
const sourcesOf = (file: string): string[] =>
  importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(SOURCE, join(SOURCE, dirname(file), name)))

test('every layer imports only what is below it', () => {
  for (const file of files) {
    const layer = layerOf(file)
    for (const source of sourcesOf(file)) {
      const target = layerOf(source)
      const allowed = target === layer || MAY_IMPORT[layer]?.includes(target) === true
      assert.ok(allowed, `src/${file} must not import ${source}`)
    }
  }
})

test('every allowed import is used', () => {
  const used = new Set(files.flatMap((file) => sourcesOf(file).map((source) => `${layerOf(file)} ${layerOf(source)}`)))
  for (const [layer, allowed] of Object.entries(MAY_IMPORT)) {
    for (const target of allowed) assert.ok(used.has(`${layer} ${target}`), `${layer} no longer imports ${target}`)
  }
})

test('there are no import cycles', () => {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), [...path, file].join(' → '))
    if (done.has(file)) return
    for (const source of sourcesOf(file)) visit(source, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
})

test('commands do not load the server, which would take a third longer', () => {
  const loaded = new Set<string>()
  const load = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const source of sourcesOf(file)) load(source)
  }
  load(join('cli', 'connection', 'connect.ts'))
  assert.ok(loaded.has('world.ts'))
  assert.deepEqual(
    [...loaded].filter((file) => ['http', 'threads', 'main.ts'].includes(layerOf(file))),
    [],
  )
})

test('with a running server, commands load neither the database nor the log, a third of all files', () => {
  const loaded = (file: string, found: Set<string>): Set<string> => {
    if (found.has(file)) return found
    found.add(file)
    const atOnce = [...textOf(file).matchAll(/^(?:import|export)\s(?!type\b)(?:[^']*?from )?'([^']+)'/gm)]
    for (const [, name = ''] of atOnce) {
      if (name.startsWith('.')) loaded(relative(SOURCE, join(SOURCE, dirname(file), name)), found)
      else found.add(name)
    }
    return found
  }
  const commands = sourcesOf(join('cli', 'program.ts')).filter((file) => !/\b(?:run|serve|repair)\.ts$/.test(file))
  assert.ok(commands.length > 10)
  for (const file of [...commands, join('cli', 'countersign.ts')]) {
    const found = [...loaded(file, new Set())]
    const packages = found.filter((name) => !/^node:|\.ts$/.test(name))
    assert.deepEqual(
      packages.filter((name) => !['commander', 'zod', '@noble/ed25519'].includes(name)),
      [],
      file,
    )
    assert.ok(!found.includes(join('store', 'database', 'database.ts')), file)
  }
})

test('tuf is pure: no I/O, no clock, no private key', () => {
  for (const file of files.filter((each) => layerOf(each) === 'tuf')) {
    for (const name of importsOf(file).filter((each) => !each.startsWith('.'))) {
      assert.ok(TUF_MAY_USE.includes(name), `src/${file} must not import ${name}`)
    }
    assert.doesNotMatch(textOf(file), /Date\.now|new Date\(\)|Math\.random|createPrivateKey|\bsign\(/, `src/${file}`)
  }
})

test('only cli reads the environment and the arguments', () => {
  for (const file of files.filter((each) => layerOf(each) !== 'cli')) {
    assert.doesNotMatch(textOf(file), /process\.(env|argv)/, `src/${file}`)
  }
})

test('no file is longer than 250 lines', () => {
  for (const file of files) {
    const lines = textOf(file).split('\n').length
    assert.ok(lines <= FILE_MAX_LINES, `src/${file} has ${lines} lines`)
  }
})
