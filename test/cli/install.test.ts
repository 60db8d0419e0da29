import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts')
const noFlock = spawnSync('flock', ['--version']).status === 0 ? false : 'flock is not installed'

/** Makes a clone with the script and no packages. @param packages of its lock file, besides itself */
async function cloned(t: TestContext, packages: object = {}): Promise<(...names: string[]) => string> {
  const directory = await mkdtemp(join(tmpdir(), 'cs-install-'))
  t.after(() => rm(directory, { recursive: true }))
  const place = (...names: string[]): string => join(directory, ...names)
  await mkdir(place('clone', 'scripts'), { recursive: true })
  const names = Object.keys(packages).map((path) => path.replace('node_modules/', ''))
  const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']))
  const own = { name: 'clone', version: '1.0.0', dependencies }
  await writeFile(place('clone', 'package.json'), JSON.stringify(own))
  const lock = { name: 'clone', version: '1.0.0', lockfileVersion: 3, packages: { '': own, ...packages } }
  await writeFile(place('clone', 'package-lock.json'), JSON.stringify(lock))
  await cp(join(SCRIPTS, 'install-if-missing'), place('clone', 'scripts', 'install-if-missing'))
  return place
}

test("if packages cannot be fetched, npm's reason and a hint are printed", async (t) => {
  const resolved = 'http://127.0.0.1:9/nothing-1.0.0.tgz'
  const integrity = `sha512-${'A'.repeat(86)}==`
  const place = await cloned(t, { 'node_modules/nothing': { version: '1.0.0', resolved, integrity } })
  const env = { ...process.env, npm_config_fetch_retries: '0', npm_config_cache: place('cache') }
  await assert.rejects(promisify(execFile)(place('clone', 'scripts', 'install-if-missing'), { env }), {
    code: 2,
    stderr: /^installing packages, once\nnpm error [^]*\nerror: npm did not install the packages; .*\nhint: .*\n$/,
  })
})

test('if the installed Node does not run here, that is said, and tried again the next time', async (t) => {
  const place = await cloned(t)
  // Like a program for another C library, its interpreter is missing.
  const npm = `#!/bin/sh
mkdir -p node_modules/.bin && touch node_modules/.package-lock.json
printf '#!/nowhere/ld-linux\\n' >node_modules/.bin/node && chmod +x node_modules/.bin/node\n`
  await mkdir(place('bin'))
  await writeFile(place('bin', 'npm'), npm, { mode: 0o755 })
  const env = { ...process.env, PATH: `${place('bin')}:${process.env['PATH'] ?? ''}` }
  for (const _ of [1, 2]) {
    await assert.rejects(promisify(execFile)(place('clone', 'scripts', 'install-if-missing'), { env }), {
      code: 2,
      stderr: /^installing packages, once\nerror: the Node that npm installed does not run .*\nhint: .*glibc.*\n$/,
    })
  }
})

test('of two concurrent installs the second waits for the first and does nothing', { skip: noFlock }, async (t) => {
  const place = await cloned(t)
  // Records that it was called, and takes until the other one waits: a minute at most.
  const npm = `#!/bin/sh
echo asked >>asked
left=600
until [ -e waiting ] || [ $left -eq 0 ]; do left=$((left - 1)); sleep 0.1; done
mkdir -p node_modules/.bin && ln -s /bin/true node_modules/.bin/node\n`
  await mkdir(place('bin'))
  await writeFile(place('bin', 'npm'), npm, { mode: 0o755 })
  const env = { ...process.env, PATH: `${place('bin')}:${process.env['PATH'] ?? ''}` }
  const install = (): Promise<{ stderr: string }> => {
    const running = promisify(execFile)(place('clone', 'scripts', 'install-if-missing'), { env })
    running.child.stderr?.on('data', (text: string) => {
      if (text.startsWith('waiting')) void writeFile(place('clone', 'waiting'), '')
    })
    return running
  }
  const printed = (await Promise.all([install(), install()])).map(({ stderr }) => stderr).toSorted()
  assert.deepEqual(printed, ['installing packages, once\n', 'waiting for packages that are being installed already\n'])
  assert.equal(await readFile(place('clone', 'asked'), 'utf8'), 'asked\n')
})

test('node_modules behind a link is not touched, since it may belong to another clone', async (t) => {
  const place = await cloned(t)
  await mkdir(place('elsewhere', 'package'), { recursive: true })
  await symlink(place('elsewhere'), place('clone', 'node_modules'))
  await assert.rejects(promisify(execFile)(place('clone', 'scripts', 'install-if-missing')), {
    code: 2,
    stderr: /^error: node_modules is a link, .*\nhint: run npm ci in that directory, or remove the link\n$/,
  })
  assert.deepEqual(await readdir(place('elsewhere')), ['package'])
})

test('without the optional package, ./scripts/test skips what needs its types, and says so', async (t) => {
  const place = await cloned(t)
  await cp(join(SCRIPTS, 'test'), place('clone', 'scripts', 'test'))
  await writeFile(place('clone', 'package.json'), '{"scripts": {"check": "echo checked"}}')
  await mkdir(place('clone', 'node_modules', '.bin'), { recursive: true })
  for (const program of ['oxlint', 'oxfmt', 'node']) {
    await writeFile(place('clone', 'node_modules', '.bin', program), `#!/bin/sh\necho ${program} "$@"\n`, {
      mode: 0o755,
    })
  }
  // As after an install.
  await writeFile(place('clone', 'node_modules', '.package-lock.json'), '{}')
  const later = Date.now() / 1000 + 60
  await utimes(place('clone', 'node_modules', '.package-lock.json'), later, later)
  const lines = async (CI?: string): Promise<string[]> => {
    const { stdout } = await promisify(execFile)(place('clone', 'scripts', 'test'), { env: { ...process.env, CI } })
    return stdout.split('\n').filter((line) => !line.startsWith('skipping the tests with real clients'))
  }
  const localhost = '--network-family-autoselection-attempt-timeout=60000'
  const all = `node --preserve-symlinks --test --test-concurrency=3 ${localhost} test/**/*.test.ts`
  assert.deepEqual(await lines(), [
    'skipping types, and the lint that needs them: pkcs11js could not be built here (see docs/CUSTODY.md)',
    'oxlint --deny-warnings src test scripts',
    'oxfmt --check src test scripts',
    all,
    '',
  ])
  assert.deepEqual(await lines('true'), ['checked', all, ''])
  await mkdir(place('clone', 'node_modules', 'pkcs11js'))
  assert.deepEqual(await lines(), ['checked', all, ''])
})

test('the program runs from a directory whose name has signs that mean something in URLs', async (t) => {
  const place = await cloned(t)
  const there = place('a b#c%41?')
  for (const name of ['src', 'scripts', 'package.json'])
    await cp(join(SCRIPTS, '..', name), join(there, name), { recursive: true })
  await symlink(join(SCRIPTS, '..', 'node_modules'), join(there, 'node_modules'))
  const { stdout, stderr } = await promisify(execFile)(join(there, 'scripts', 'countersign'), ['--version'])
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  assert.equal(stderr, '')
})

test('the program runs in a directory whose package.json cannot be read', async (t) => {
  const place = await cloned(t)
  // A broken one, since root reads everything else.
  await writeFile(place('package.json'), '{')
  await mkdir(place('below'))
  const { stdout } = await promisify(execFile)(join(SCRIPTS, 'countersign'), ['--version'], { cwd: place('below') })
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})
