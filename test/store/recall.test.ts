import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Database } from '../../src/store/database/database.ts'
import { headKey } from '../../src/store/keyspace.ts'
import { Recall } from '../../src/store/recall.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { storePlace } from '../support/test-store.ts'

test('a deleted record is not recalled, on the first read or the second', async (t) => {
  const { directory } = await storePlace(t)
  const database = await Database.open(join(directory, '..', 'own'), true)
  t.after(() => database.close())
  const recall = new Recall(database, String)
  const key = headKey(parseGun('example.org/a'))
  await database.write([{ key, payload: Buffer.from('there') }])
  assert.equal(recall.since(key, 2), 'there')
  await database.write([{ key }])
  assert.equal(recall.since(key, 2), 'there')
  assert.equal(recall.since(key, 4), undefined)
  assert.equal(recall.since(key, 4), undefined)
})
