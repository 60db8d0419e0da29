import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Database, type Write } from '../../src/store/database/database.ts'
import { mustHaveCurrent, openLevel } from '../../src/store/database/open-level.ts'
import { documentKey } from '../../src/store/keyspace.ts'
import { parseGun } from '../../src/tuf/gun.ts'

const GUN = parseGun('database.example/app')
const MANY = 60_000

test('other work gets its turn during a write of 60,000 changes', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  t.after(() => rm(directory, { recursive: true }))
  await using database = await Database.open(join(directory, 'data'), true)
  const keys = Array.from({ length: MANY }, (_, index) =>
    documentKey(GUN, 'targets', index.toString(16).padStart(64, '0')),
  )
  await database.write(keys.map((key) => ({ key, payload: Buffer.from('x') })))
  const found = async (): Promise<number> => (await Array.fromAsync(database.keys({}))).length
  assert.equal(await found(), MANY)
  assert.equal(database.get(keys[7]!)?.toString(), 'x')

  // CPU time of this thread between two turns of its event loop.
  let last = process.threadCpuUsage()
  let [longest, all] = [0, 0]
  const turn = (): void => {
    const { user, system } = process.threadCpuUsage(last)
    last = process.threadCpuUsage()
    longest = Math.max(longest, user + system)
    all += user + system
  }
  const turns = setInterval(turn)
  const writes: Write[] = keys.map((key) => ({ key }))
  turn()
  ;[longest, all] = [0, 0]
  await database.write(writes)
  turn()
  clearInterval(turns)
  assert.equal(await found(), 0)
  assert.ok(longest < all / 3, `${longest} of ${all} µs in one turn`)
})

test('a snapshot is refused as unavailable while the database is closed for reopening', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  t.after(() => rm(directory, { recursive: true }))
  const database = await Database.open(join(directory, 'data'), true)
  await database.close()
  assert.throws(() => database.snapshot(), { code: 'STORE_UNAVAILABLE' })
})

test('a database that somebody is making is never taken for one that has lost its CURRENT file', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  t.after(() => rm(parent, { recursive: true }))
  for (let round = 0; round < 100; round += 1) {
    const directory = join(parent, String(round))
    let isMade = false
    const making = openLevel(directory, true).finally(() => (isMade = true))
    while (!isMade) await mustHaveCurrent(directory, true)
    await (await making).close()
  }
})
