import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs, { linkSync as link, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openLevel } from '../../src/store/database/open-level.ts'
import { keepLogs, putBackIgnored } from '../../src/store/leveldb/kept-logs.ts'
import { openStore, type StoreOptions } from '../../src/store/level-store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { commitOf, documentOf, newStore, storePlace } from '../support/test-store.ts'

const GUN = 'example.org/app'
const logsOf = (place: StoreOptions): string[] => readdirSync(place.directory).filter((name) => /\.log/.test(name))

/** Has LevelDB find each log as the system shows it: gone, or cut, the first `times` times. */
function hideLogs(t: TestContext, times: number, hide: (path: string) => void): void {
  const { linkSync: original } = fs
  let left = times
  t.mock.method(fs, 'linkSync', (path: string, kept: string) => {
    original(path, kept)
    if (left === 0) return
    left -= 1
    hide(path)
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
}

/** Returns a closed store with some commits in LevelDB's log. */
async function filled(t: TestContext, commits = 20): Promise<StoreOptions> {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  for (let number = 0; number < commits; number += 1) {
    await store.commit(commitOf(GUN, number, [documentOf('targets', number + 1, `${number} `.repeat(100))]))
  }
  await store.close()
  return place
}

async function assertWhole(place: StoreOptions, commits = 20): Promise<void> {
  const store = await openStore(place)
  assert.equal(store.tail().number, commits)
  assert.equal(store.head(parseGun(GUN))?.roles['targets']?.version, commits)
  await store.close()
  assert.equal(logsOf(place).length, 1)
}

for (const [what, hide] of [
  ['cannot open', (path: string): void => rmSync(path)],
  [
    'can read half of',
    (path: string): void => {
      // The second name is a link to the same file: LevelDB gets another one.
      const half = fs.readFileSync(path)
      rmSync(path)
      writeFileSync(path, half)
      truncateSync(path, half.length >> 1)
    },
  ],
] as const) {
  test(`a log that LevelDB ${what} when it opens the database loses nothing`, async (t) => {
    const place = await filled(t)
    hideLogs(t, 1, hide)
    await assertWhole(place)
    await assertWhole(place)
  })

  test(`a log that LevelDB ${what} again and again is refused, and loses nothing`, async (t) => {
    const place = await filled(t)
    hideLogs(t, Infinity, hide)
    await assert.rejects(openStore(place), { code: 'DATA_DAMAGED', message: /cannot be opened/ })
    t.mock.restoreAll()
    syncBuiltinESMExports()
    await assertWhole(place)
  })
}

test('a log that a crash left under its second name only is read', async (t) => {
  const place = await filled(t)
  const [name = ''] = logsOf(place)
  renameSync(join(place.directory, name), join(place.directory, `${name}.kept`))
  await assertWhole(place)
})

test('where LevelDB had noted the last number before, the content tells that it ignored the log', async (t) => {
  const place = await filled(t)
  keepLogs(place.directory)
  const level = await openLevel(place.directory, false)
  t.after(() => level.close())
  const [kept] = logsOf(place).filter((name) => name.endsWith('.kept'))
  link(join(place.directory, kept!), join(place.directory, 'kept'))
  assert.equal(
    putBackIgnored(place.directory, (key) => level.getSync(key)),
    true,
  )
  link(join(place.directory, 'kept'), join(place.directory, kept!))
  assert.equal(
    putBackIgnored(place.directory, () => undefined),
    false,
  )
})

test('second names do not stay where another process has the database open', async (t) => {
  const place = await filled(t)
  const store = await openStore(place)
  t.after(() => store.close())
  const script = `import { openWithLogs } from '${import.meta.resolve('../../src/store/database/open-level.ts')}'
    await openWithLogs(process.argv[1]).catch(({ code }) => console.log(code))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, place.directory])
  assert.equal(stdout, 'DATA_LOCKED\n')
  assert.equal(logsOf(place).length, 1)
})

test('a log that LevelDB still writes to is left alone', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  await store.commit(commitOf(GUN, 0, [documentOf('targets', 1, 'text')]))
  const before = logsOf(place)
  keepLogs(place.directory)
  assert.equal(
    putBackIgnored(place.directory, () => undefined),
    true,
  )
  assert.deepEqual(logsOf(place), before)
})
