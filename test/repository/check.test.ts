import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { check } from '../../src/repository/check.ts'
import type { StoreReader } from '../../src/store/reader.ts'
import { commitOf, documentOf, newStore } from '../support/test-store.ts'

/** As LevelDB says it of a block that it cannot read. */
const unreadable = (): never => {
  throw new TrustError('CORRUPT', 'the database cannot be read')
}

test('lists that cannot be read are findings beside all others', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf('example.org/a', 0, [documentOf('targets', 1, 'no metadata')]))
  const textsOf = async (broken: Partial<StoreReader>): Promise<string[]> => {
    const snapshot = await store.snapshot()
    const damaged = { ...snapshot, reader: { ...snapshot.reader, ...broken } }
    return (await check(damaged, () => true, Date.now())).findings.map(({ text }) => text)
  }
  assert.deepEqual(await textsOf({ guns: async () => unreadable(), keysOf: async () => unreadable() }), [
    'the list of repositories cannot be read to its end: the database cannot be read',
    'the list of signers’ keys cannot be read to its end: the database cannot be read',
  ])
})
