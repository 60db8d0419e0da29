import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { findRecords } from '../../src/store/found-records.ts'
import { headKey } from '../../src/store/keyspace.ts'
import { openRecord, sealRecord } from '../../src/store/database/record.ts'
import { Records } from '../../src/store/database/records.ts'
import type { RecordKind } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'

/** Returns a database in which every read fails. @param error LevelDB's message */
function failing(error: string): Records {
  const fail = (): never => {
    throw new Error(error)
  }
  return new Records(() => ({ getSync: fail, iterator: fail }) as never)
}

for (const [error, code] of [
  ['IO error: data/000005.ldb: Too many open files', 'STORE_UNAVAILABLE'],
  ['IO error: data/000005.ldb: Permission denied', 'STORE_UNAVAILABLE'],
  ['IO error: data/000005.ldb: Cannot allocate memory', 'STORE_UNAVAILABLE'],
  ['IO error: data/000005.ldb: Input/output error', 'CORRUPT'],
  ['Corruption: block checksum mismatch', 'CORRUPT'],
] as const) {
  test(`a read error is damage only if the machine is not the cause: ${error}`, async () => {
    const records = failing(error)
    const message = /^(?:the record "head example\.org\/a"|the database) cannot be read/
    assert.throws(() => records.get(headKey(parseGun('example.org/a'))), { code, message })
    await assert.rejects(records.entries({}).next(), { code, message })
  })
}

test('the records read before an unreadable place are returned beside the error', async () => {
  const message = 'the database cannot be read'
  const store = {
    async *records(kind: RecordKind) {
      yield { kind, name: 'alice', value: 'there' }
      throw new TrustError('CORRUPT', message)
    },
  }
  const damaged = [{ kind: 'user', name: '(the rest)', damaged: message }]
  assert.deepEqual(await findRecords(store, 'user'), { values: ['there'], damaged })
})

test('a sound record is damaged when it stands in the place of another', () => {
  const [one, other] = ['example.org/a', 'example.org/b'].map((name) => headKey(parseGun(name)))
  const record = sealRecord(one!, Buffer.from('of a'))
  assert.equal(openRecord(one!, record).toString(), 'of a')
  assert.throws(() => openRecord(other!, record), { code: 'CORRUPT' })
})
