import assert from 'node:assert/strict'
import { test } from 'node:test'
import canonicalize from 'canonicalize'
import * as fc from 'fast-check'
import { Database } from '../../src/store/database/database.ts'
import { entryBytes } from '../../src/store/journal.ts'
import { readerOver } from '../../src/store/reader.ts'
import type { JournalEntry, JournalQuery } from '../../src/store/store.ts'
import { Writes } from '../../src/store/writes.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { commitOf, newStore, storePlace } from '../support/test-store.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const sha256 = fc.oneof(text, fc.constant(null))
const role = fc.record(
  {
    role: text,
    added: fc.array(text),
    removed: fc.array(text),
    certified: fc.array(fc.record({ certificate: text, key: text })),
    threshold: fc.oneof(fc.nat(), fc.constant(null)),
    paths: fc.array(text),
  },
  { requiredKeys: ['role', 'added', 'removed', 'threshold'] },
)
const members = {
  number: fc.nat(),
  previous: text,
  time: text,
  gun: text,
  kind: fc.constantFrom('publish', 'renew', 'key', 'delete', 'record'),
  revision: fc.nat(),
  actor: fc.record({ name: text, address: text, requestId: text }, { requiredKeys: ['name'] }),
  documents: fc.array(fc.record({ role: text, version: fc.nat(), sha256: text, keyIds: fc.array(text) }), {
    maxLength: 3,
  }),
  keys: fc.array(fc.record({ role: text, keyId: text, sha256: text }), { maxLength: 3 }),
  records: fc.array(
    fc.record({ kind: text, name: text, sha256, action: text }, { requiredKeys: ['kind', 'name', 'sha256'] }),
    {
      maxLength: 3,
    },
  ),
  changes: fc.array(fc.record({ role: text, tag: text, from: sha256, to: sha256 }), { maxLength: 3 }),
  head: text,
}
const entries: fc.Arbitrary<JournalEntry> = fc.oneof(
  fc.record(members),
  fc.record({ ...members, roles: fc.array(role, { maxLength: 3 }) }),
)

test('an entry’s bytes are its RFC 8785 form, also after reading it back', () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const bytes = entryBytes(entry)
      assert.equal(bytes.toString(), canonicalize(entry))
      assert.deepEqual(entryBytes(JSON.parse(bytes.toString()) as JournalEntry), bytes)
    }),
  )
})

test('a query finds its place in the history of one repository in few reads, however long it is', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  const gun = parseGun('example.org/long')
  const COMMITS = 400
  for (let revision = 0; revision < COMMITS; revision += 1) {
    // Interleaved with another repository’s commits.
    await Promise.all([
      store.commit(commitOf(gun, revision, [])),
      ...(revision % 3 === 0 ? [store.commit(commitOf('example.org/other', revision / 3, []))] : []),
    ])
  }
  const numbers = Array.from(store.journal({ gun }), ({ number }) => number)
  assert.equal(numbers.length, COMMITS)
  const end = store.tail().number
  await store.close()
  const database = await Database.open(place.directory, false)
  t.after(() => database.close())
  let looks = 0
  const raw = (key: Buffer): Buffer | undefined => {
    looks += 1
    return database.raw(key)
  }
  const reader = readerOver(
    Object.assign(Object.create(database) as Database, { raw }),
    () => ({ number: end }),
    new Writes(),
  )
  const found = (query: Omit<JournalQuery, 'gun'>): number[] => {
    looks = 0
    return Array.from(reader.journal({ gun, ...query }), ({ number }) => number)
  }
  for (const limit of [0, 1, 2, 3, 200, 201, 202, end - 2, end - 1, end, end + 1, -1]) {
    assert.deepEqual(
      found({ after: limit }),
      numbers.filter((number) => number > limit),
    )
    assert.deepEqual(found({ before: limit }), numbers.filter((number) => number < limit).toReversed())
  }
  assert.ok(found({ after: end - 3 }).length > 0)
  assert.ok(looks < 30, `${looks} records were looked at`)
  assert.ok(found({ before: 4 }).length > 0)
  assert.ok(looks < 30, `${looks} records were looked at`)
})
