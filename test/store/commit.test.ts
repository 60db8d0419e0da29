import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { Level } from 'level'
import type { TrustError } from '../../src/errors.ts'
import { auditStore, type Finding } from '../../src/store/audit/audit.ts'
import { Database } from '../../src/store/database/database.ts'
import { decodeHead, encodeHead } from '../../src/store/encoding.ts'
import { headKey } from '../../src/store/keyspace.ts'
import { openStore, type LevelStore } from '../../src/store/level-store.ts'
import type { Commit, Head, StoredKey } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { commitOf, documentOf, newStore, storePlace } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const GUN = parseGun('example.org/a')

async function audit(store: LevelStore): Promise<Finding[]> {
  const findings: Finding[] = []
  const snapshot = await store.snapshot()
  await auditStore(snapshot, (finding) => findings.push(finding))
  await snapshot.close()
  return findings
}

test('a document is read by version and by checksum, for its own repository and role only', async (t) => {
  const store = await newStore(t)
  const targets = documentOf('targets', 1, '{"targets":1}')
  await store.commit(commitOf(GUN, 0, [targets]))
  const byHash = store.document(GUN, 'targets', { sha256: targets.sha256 })
  assert.deepEqual(byHash, store.document(GUN, 'targets', { version: 1 }))
  assert.equal(Buffer.from(byHash?.bytes ?? []).toString(), '{"targets":1}')
  assert.equal(byHash?.createdAt, Date.parse('2026-11-24T08:00:00Z'))
  assert.equal(store.document(GUN, 'root', { sha256: targets.sha256 }), undefined)
  assert.equal(store.document(parseGun('example.org/ab'), 'targets', { sha256: targets.sha256 }), undefined)
  assert.equal(store.document(GUN, 'targets', { version: 2 }), undefined)
  assert.deepEqual(await audit(store), [])
})

test('compare-and-set: exactly one of many commits from the same head succeeds', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf(GUN, 0, [documentOf('targets', 1, 'first')]))
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => store.commit(commitOf(GUN, 1, [documentOf('targets', 2, `${index}`)]))),
  )
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.equal((outcome.reason as { code: string }).code, 'CONFLICT')
  }
  assert.equal(store.head(GUN)?.revision, 2)
  assert.equal(store.tail().number, 2)
  assert.deepEqual(await audit(store), [])
})

test('a hundred simultaneous commits of different repositories share few disk writes', async (t) => {
  const place = await storePlace(t)
  let writes = 0
  const faults = (step: string): void => void (writes += Number(step === 'batch:before'))
  const store = await newStore(t, { ...place, faults })
  const names = Array.from({ length: 100 }, (_, index) => `example.org/r${index}`)
  const numbers = await Promise.all(names.map((name) => store.commit(commitOf(name, 0, [documentOf('root', 1, name)]))))
  assert.deepEqual(
    numbers,
    names.map((_, index) => index + 1),
  )
  assert.ok(writes <= 5, `${writes} writes`)
  assert.deepEqual((await Array.fromAsync(store.guns(1000))).length, 100)
  assert.deepEqual(await Array.fromAsync(store.guns(2, parseGun('example.org/r97'))), [
    'example.org/r98',
    'example.org/r99',
  ])
  assert.deepEqual(await audit(store), [])
})

test('other bytes at a stored version are refused, the same bytes are not', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one')]))
  await assert.rejects(store.commit(commitOf(GUN, 1, [documentOf('root', 1, 'other')])), { code: 'VERSION' })
  await store.commit(commitOf(GUN, 1, [documentOf('root', 1, 'one')]))
  const [, again] = store.journal()
  assert.deepEqual(again?.documents, [])
  assert.deepEqual(await audit(store), [])
})

/** Returns a key whose id repeats these two digits. */
function keyOf(digits: string): StoredKey {
  const front = { role: 'timestamp', keyId: digits.repeat(32), keytype: 'ed25519', public: 'AA==' } as const
  return { ...front, pending: true, sealed: Buffer.from('sealed'), createdAt: 1 }
}

test('a head says when keys last changed, and keys read with it are never stale', async (t) => {
  const store = await newStore(t)
  const keysNow = (): [number | undefined, string[]] => {
    const head = store.head(GUN)
    const ids = (known?: Head): string[] => store.keys(GUN, 'timestamp', known).map(({ keyId }) => keyId.slice(0, 2))
    assert.deepEqual(ids(head), ids())
    return [head?.keysAt, ids(head)]
  }
  await store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one')]))
  assert.deepEqual(keysNow(), [0, []])
  const before = store.head(GUN)
  // These two commits share one write.
  await Promise.all([
    store.commit(
      commitOf(GUN, 1, [], {
        keys: [keyOf('ab')],
        kind: 'key',
        head: { roles: {}, highest: { root: 1 }, renewAt: null },
      }),
    ),
    store.commit(commitOf(GUN, 2, [documentOf('root', 2, 'two')])),
  ])
  assert.deepEqual(keysNow(), [2, ['ab']])
  // A reader may still hold an older head.
  store.keys(GUN, 'timestamp', before)
  await store.commit(commitOf(GUN, 3, [documentOf('root', 3, 'three')], { keys: [{ ...keyOf('ab'), pending: false }] }))
  assert.equal(store.keys(GUN, 'timestamp', store.head(GUN))[0]?.pending, false)
  store.keys(GUN, 'timestamp', before)
  await store.commit(commitOf(GUN, 4, [documentOf('root', 4, 'four')], { keys: [keyOf('cd')] }))
  store.keys(GUN, 'timestamp', before)
  assert.deepEqual(keysNow(), [5, ['ab', 'cd']])
  const head = { roles: {}, highest: { root: 4 }, renewAt: null }
  await store.commit(commitOf(GUN, 5, [], { kind: 'delete', head }))
  assert.deepEqual(keysNow(), [5, ['ab', 'cd']])
  assert.deepEqual(await audit(store), [])
})

test('a head stored without keysAt still finds the keys, and gets none until they change', async (t) => {
  const place = await storePlace(t)
  const first = await newStore(t, place)
  await first.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one')]))
  await first.commit(commitOf(GUN, 1, [documentOf('root', 2, 'two')], { keys: [keyOf('ab')] }))
  await first.close()
  const database = await Database.open(place.directory, false)
  const { keysAt: _, ...old } = decodeHead(database.get(headKey(GUN)) ?? Buffer.alloc(0))
  await database.write([{ key: headKey(GUN), payload: encodeHead(old) }])
  await database.close()

  const store = await openStore(place)
  t.after(() => store.close())
  const ids = (): string[] => store.keys(GUN, 'timestamp', store.head(GUN)).map(({ keyId }) => keyId.slice(0, 2))
  assert.deepEqual(ids(), ['ab'])
  await store.commit(commitOf(GUN, 2, [documentOf('root', 3, 'three')]))
  assert.equal(store.head(GUN)?.keysAt, undefined)
  assert.deepEqual(ids(), ['ab'])
  await store.commit(commitOf(GUN, 3, [documentOf('root', 4, 'four')], { keys: [keyOf('cd')] }))
  assert.equal(store.head(GUN)?.keysAt, 4)
  assert.deepEqual(ids(), ['ab', 'cd'])
  assert.deepEqual(await audit(store), [])
})

test('commits that share a write see each other’s versions, keys and key lists', async (t) => {
  let writes = 0
  const faults = (step: string): void => void (writes += Number(step === 'batch:before'))
  const store = await newStore(t, { ...(await storePlace(t)), faults })
  const snapshot: StoredKey = { ...keyOf('ef'), role: 'snapshot' }
  const outcomes = await Promise.allSettled([
    store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one')], { keys: [keyOf('ab'), snapshot] })),
    store.commit(commitOf(GUN, 1, [documentOf('root', 1, 'other')])),
    store.commit(commitOf(GUN, 1, [documentOf('root', 2, 'two')], { keys: [keyOf('cd')] })),
    store.commit(commitOf('example.org/b', 0, [documentOf('root', 1, 'b')], { keys: [keyOf('ab')] })),
  ])
  assert.equal(writes, 1)
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as TrustError).code)),
    [1, 'VERSION', 2, 'WRONG_STATE'],
  )
  assert.deepEqual(store.keys(GUN, 'timestamp'), [keyOf('ab'), keyOf('cd')])
  assert.deepEqual(store.keys(GUN, 'snapshot'), [snapshot])
  assert.deepEqual(await audit(store), [])
})

test('a key belongs to one repository and one role for ever', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf(GUN, 0, [], { kind: 'key', keys: [keyOf('ab')] }))
  for (const other of [
    commitOf('example.org/b', 0, [], { kind: 'key', keys: [keyOf('ab')] }),
    commitOf(GUN, 1, [], { kind: 'key', keys: [{ ...keyOf('ab'), role: 'snapshot' }] }),
  ]) {
    await assert.rejects(store.commit(other), { code: 'WRONG_STATE' })
  }
  assert.deepEqual(store.keyOwner(keyOf('ab').keyId), { gun: GUN, role: 'timestamp' })
  assert.deepEqual(await audit(store), [])
})

test('a head that omits or lowers a highest version is refused', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one'), documentOf('targets', 3, 'three')]))
  const next = commitOf(GUN, 1, [documentOf('root', 2, 'two')])
  const naming = (highest: Record<string, number>): Promise<number> =>
    store.commit({ ...next, head: { ...next.head, highest } })
  for (const highest of [{ root: 2 }, { root: 2, targets: 2 }, { root: 1, targets: 3 }]) {
    await assert.rejects(naming(highest), /forgets a version/)
  }
  assert.equal(await naming({ root: 2, targets: 3 }), 2)
  assert.deepEqual(await audit(store), [])
})

test('a delete removes all documents of exactly one repository; head, keys and history stay', async (t) => {
  const store = await newStore(t)
  const key = keyOf('ab')
  for (const name of ['pre/fix', 'pre/fixture']) {
    const keys = name === 'pre/fix' ? [key] : []
    await store.commit(commitOf(name, 0, [documentOf('root', 1, name)], { keys }))
    await store.commit(commitOf(name, 1, [documentOf('root', 2, `${name} 2`)]))
  }
  const gun = parseGun('pre/fix')
  const head = { roles: {}, highest: { root: 2 }, renewAt: null }
  await store.commit(commitOf(gun, 2, [], { kind: 'delete', head }))
  for (const version of [1, 2]) {
    assert.equal(store.document(gun, 'root', { version }), undefined)
    assert.ok(store.document(parseGun('pre/fixture'), 'root', { version }))
  }
  assert.deepEqual(store.head(gun), { revision: 3, keysAt: 1, ...head })
  assert.deepEqual(store.keys(gun, 'timestamp'), [key])
  assert.deepEqual(store.keyOwner(key.keyId), { gun, role: 'timestamp' })
  assert.deepEqual(
    [...store.journal({ gun })].map(({ kind }) => kind),
    ['publish', 'publish', 'delete'],
  )
  // In the next life the same version may have other content.
  await store.commit(commitOf(gun, 3, [documentOf('root', 1, 'reborn')]))
  assert.deepEqual(await audit(store), [])
})

test('the journal is read forwards and backwards, of all repositories or one', async (t) => {
  const store = await newStore(t)
  for (let round = 0; round < 5; round += 1) {
    for (const name of ['a', 'b'])
      await store.commit(commitOf(name, round, [documentOf('root', round + 1, `${round}`)]))
  }
  const numbers = (query: Parameters<LevelStore['journal']>[0]): number[] =>
    [...store.journal(query)].map(({ number }) => number)
  const gun = parseGun('b')
  assert.deepEqual(numbers({}), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.deepEqual(numbers({ after: 7 }), [8, 9, 10])
  assert.deepEqual(numbers({ before: 4 }), [3, 2, 1])
  assert.deepEqual(numbers({ gun }), [2, 4, 6, 8, 10])
  assert.deepEqual(numbers({ gun, after: 4 }), [6, 8, 10])
  assert.deepEqual(numbers({ gun, before: 8 }), [6, 4, 2])
  assert.deepEqual(numbers({ gun: parseGun('c') }), [])
  assert.deepEqual(numbers({ after: 10 }), [])
})

test('due repositories come earliest first, and each commit moves their time', async (t) => {
  const store = await newStore(t)
  const renewAt = (time: number | null): object => ({ head: { roles: {}, highest: {}, renewAt: time } })
  await store.commit(commitOf('a', 0, [], renewAt(300)))
  await store.commit(commitOf('b', 0, [], renewAt(100)))
  await store.commit(commitOf('c', 0, [], renewAt(200)))
  assert.deepEqual(
    (await store.due(200, 10)).map(({ gun }) => gun),
    ['b', 'c'],
  )
  assert.deepEqual((await store.due(99, 10)).length, 0)
  assert.deepEqual(
    (await store.due(1000, 1)).map(({ gun }) => gun),
    ['b'],
  )
  await store.commit(commitOf('b', 1, [], renewAt(400)))
  await store.commit(commitOf('c', 1, [], renewAt(null)))
  assert.deepEqual(await store.due(1000, 10), [
    { gun: 'a', renewAt: 300 },
    { gun: 'b', renewAt: 400 },
  ])
  assert.deepEqual(await audit(store), [])
})

test('a clock that went back by a minute is evened out; more than five minutes are refused', async (t) => {
  const store = await newStore(t)
  const time = Date.parse('2026-11-24T08:00:00Z')
  await store.commit(commitOf('a', 0, [documentOf('root', 1, 'one')]))
  await store.commit(commitOf('a', 1, [documentOf('root', 2, 'two')], { time: time - 60_000 }))
  const [, entry] = store.journal()
  assert.equal(Date.parse(entry?.time ?? ''), time)
  const late = store.commit(commitOf('a', 2, [documentOf('root', 3, 'three')], { time: time - 6 * 60_000 }))
  await assert.rejects(late, { code: 'CLOCK' })
  assert.equal(store.head(parseGun('a'))?.revision, 2)
})

test('a restart keeps everything', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  for (let round = 0; round < 10; round += 1) {
    await store.commit(commitOf(GUN, round, [documentOf('root', round + 1, `${round}`)]))
  }
  const [head, tail] = [store.head(GUN), store.tail()]
  await store.close()
  const again = await openStore(place)
  t.after(() => again.close())
  assert.deepEqual(again.head(GUN), head)
  assert.deepEqual(again.tail(), tail)
  assert.deepEqual(await audit(again), [])
})

test('a close waits for a commit that has begun', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  const begun = store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'begun')]))
  await turn()
  await store.close()
  assert.equal(await begun, 1)
  const again = await openStore(place)
  t.after(() => again.close())
  assert.equal(again.head(GUN)?.revision, 1)
})

test('the anchor never names a commit that is not on disk yet', async (t) => {
  const place = await storePlace(t)
  const signed: [number, number][] = []
  const sign = (bytes: Uint8Array): Uint8Array => {
    const { number } = JSON.parse(Buffer.from(bytes).toString()) as { number: number }
    // The anchor of an empty journal is signed before the store exists.
    if (number > 0) signed.push([number, store.tail().number])
    return place.anchorKey.sign(bytes)
  }
  const store = await newStore(t, { ...place, anchorKey: { ...place.anchorKey, sign } })
  for (let round = 1; round <= 8; round += 1) {
    await store.commit(commitOf(GUN, round - 1, [documentOf('root', round, `${round}`)]))
  }
  assert.ok(signed.length > 0)
  for (const [named, written] of signed) assert.ok(named <= written, `${named} of ${written}`)
})

test('a snapshot does not change when commits follow', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one')]))
  const snapshot = await store.snapshot()
  await store.commit(commitOf(GUN, 1, [documentOf('root', 2, 'two')]))
  await store.commit(commitOf('example.org/b', 0, [documentOf('root', 1, 'b')]))
  const findings: Finding[] = []
  const counts = await auditStore(snapshot, (finding) => findings.push(finding))
  assert.deepEqual([findings, counts['journal'], snapshot.reader.head(GUN)?.revision], [[], 1, 1])
  await snapshot.close()
})

test('a store closed while it reopens the database stays closed', async (t) => {
  const place = await storePlace(t)
  const [trying, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let tries = 0
  const close = async (): Promise<void> => {
    tries += 1
    if (tries === 1) throw new Error('not at once')
    trying.resolve()
    await finish.promise
  }
  const faults = (step: string): void => {
    if (step === 'batch:before') throw new Error('disk full')
  }
  const store = await newStore(t, { ...place, faults, others: [{ close, open: async () => {} }] })
  await assert.rejects(store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'never')])), { code: 'STORE_UNAVAILABLE' })
  await trying.promise
  const closed = store.close()
  finish.resolve()
  await closed
  // Opened as another process would: it is locked while anybody has it open.
  const level = new Level(place.directory)
  await pause(100)
  await level.open()
  await level.close()
})

test('an anchor that fell behind while writes failed catches up once the store is writable', async (t) => {
  let failing: string | undefined
  let tries = 0
  const faults = (step: string): void => {
    if (step === failing) throw new Error('disk full')
  }
  const close = async (): Promise<void> => {
    tries += 1
    if (tries === 1) throw new Error('not at once')
  }
  const place = await storePlace(t)
  const store = await newStore(t, { ...place, faults, others: [{ close, open: async () => {} }] })
  await store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'there')])).then(() => {
    // At once, before the anchor has followed.
    failing = 'batch:before'
    const never = commitOf(GUN, 1, [documentOf('root', 2, 'never')])
    return assert.rejects(store.commit(never), { code: 'STORE_UNAVAILABLE' })
  })
  failing = undefined
  assert.match(store.readiness().reason ?? '', /^a write failed: disk full; it cannot be reopened yet: not at once$/)
  await until('the store to be writable', () => store.readiness().writable)
  const anchor = await Promise.race([store.readAnchor(), pause(30_000, undefined, { ref: false })])
  assert.equal(anchor?.number, 1)
})

test('a failed write is reported as such even if the store has recovered since', async (t) => {
  let failing = true
  const faults = (step: string): void => {
    if (step === 'batch:before' && failing) throw new Error('disk full')
  }
  const store = await newStore(t, { ...(await storePlace(t)), faults })
  const commit = commitOf(GUN, 0, [documentOf('root', 1, 'once more')])
  await assert.rejects(store.commit(commit), {
    message: 'nothing can be written at the moment: a write failed: disk full',
    hint: 'make room if the disk is full, and try again; a publish that did arrive is not refused the second time',
  })
  failing = false
  assert.equal(await store.commit(commit), 1)
})

test('stored data does not change while the count of writes stays the same', async (t) => {
  let failing: string | undefined
  const faults = (step: string): void => {
    if (step !== failing) return
    failing = undefined
    throw new Error('disk full')
  }
  const store = await newStore(t, { ...(await storePlace(t)), faults })
  let during = 0
  const revisions = new Map<number, Set<number | undefined>>()
  const look = (): void => {
    const writes = store.writes(GUN)
    if (writes === undefined) during += 1
    else revisions.set(writes, (revisions.get(writes) ?? new Set()).add(store.head(GUN)?.revision))
  }
  look()
  for (const fails of [undefined, 'batch:before', 'batch:after', undefined]) {
    failing = fails
    const expected = store.head(GUN)?.revision ?? 0
    const commit = store.commit(commitOf(GUN, expected, [documentOf('targets', expected + 1, `${expected}`)]))
    const over = commit.then(
      () => true,
      () => true,
    )
    do look()
    while (!(await Promise.race([over, turn(false)])))
    look()
    look()
  }
  assert.equal(store.head(GUN)?.revision, 3)
  assert.ok(during >= 4)
  assert.deepEqual(
    [...revisions.values()].map((found) => [...found]),
    [[undefined], [1], [1], [2], [3]],
  )
})

test('after a failed write nothing is written, queued commits included, until the database is reopened', async (t) => {
  let tries = 0
  const close = async (): Promise<void> => {
    tries += 1
    if (tries === 1) throw new Error('not at once')
  }
  const refused = (commit: Commit): Promise<void> => assert.rejects(store.commit(commit), { code: 'STORE_UNAVAILABLE' })
  let waiting: Promise<void> | undefined
  const faults = (step: string): void => {
    if (step === 'batch:before') waiting ??= refused(commitOf('example.org/b', 0, [documentOf('root', 1, 'b')]))
    if (step === 'batch:after' && tries === 0) throw new Error('disk full')
  }
  const place = await storePlace(t)
  const store = await newStore(t, { ...place, faults, others: [{ close, open: async () => {} }] })
  await refused(commitOf(GUN, 0, [documentOf('root', 1, 'arrived')]))
  await waiting
  await refused(commitOf('example.org/c', 0, [documentOf('root', 1, 'c')]))
  await until('the store to be writable', () => store.readiness().writable)
  assert.deepEqual([store.tail().number, await Array.fromAsync(store.guns(9))], [1, [GUN]])
  assert.deepEqual(await audit(store), [])
})

test('each write is synced to disk before it is acknowledged', async (t) => {
  const store = await newStore(t)
  const batch = t.mock.method(Level.prototype, 'batch')
  await store.commit(commitOf(GUN, 0, [documentOf('root', 1, 'one')]))
  const [, options] = (batch.mock.calls[0]?.arguments ?? []) as unknown[]
  assert.deepEqual([options, batch.mock.callCount()], [{ sync: true }, 1])
})
