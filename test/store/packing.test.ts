import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Database } from '../../src/store/database/database.ts'
import { documentKey } from '../../src/store/keyspace.ts'
import { pack, unpack } from '../../src/store/packing.ts'
import { readerOver } from '../../src/store/reader.ts'
import type { StoredDocument } from '../../src/store/store.ts'
import { Writes } from '../../src/store/writes.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { commitOf, documentOf, newStore, spoil, storePlace } from '../support/test-store.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const baseOf = (bytes: Buffer): { sha256: string; bytes: Buffer } => ({ sha256: sha256(bytes), bytes })

/** Returns a text of many tags, one of them changed if asked. */
const tags = (count: number, changed = -1): string => {
  const lines = Array.from({ length: count }, (_, index) => {
    const digest = createHash('sha256')
      .update(`${index} ${index === changed}`)
      .digest('base64')
    return `"tag${index}":{"hashes":{"sha256":"${digest}"},"length":1000}`
  })
  return `{${lines.join(',')}}`
}

test('one changed tag among thousands packs to under 1000 bytes and unpacks to the same bytes', async () => {
  for (const count of [100, 5_000, 30_000]) {
    const base = baseOf(Buffer.from(tags(count)))
    const bytes = Buffer.from(tags(count, count >> 1))
    const packed = await pack(bytes, base)
    assert.equal(packed.form, 'difference')
    assert.ok(packed.bytes.length < 1_000, `${count}: ${packed.bytes.length}`)
    assert.deepEqual(Buffer.from(unpack(packed, sha256(bytes), () => base.bytes)), bytes)
  }
})

test('dissimilar and first documents are stored whole', async () => {
  const [one, other] = [randomBytes(9_000), randomBytes(9_000)]
  for (const base of [undefined, baseOf(other)]) assert.equal((await pack(one, base)).form, 'whole')
})

test('a small document is stored whole: it is readable without the one before it', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  const gun = parseGun('example.org/small')
  const [first, second] = [documentOf('targets', 1, tags(40, 1)), documentOf('targets', 2, tags(40, 2))]
  assert.ok(second.bytes.length > 3_000 && second.bytes.length < 4_096, `${second.bytes.length} bytes`)
  await store.commit(commitOf(gun, 0, [first]))
  await store.commit(commitOf(gun, 1, [second]))
  await spoil(place, documentKey(gun, 'targets', first.sha256))
  assert.deepEqual(Buffer.from(store.document(gun, 'targets', { version: 2 })?.bytes ?? []), second.bytes)
  assert.throws(() => store.document(gun, 'targets', { version: 1 }), { code: 'CORRUPT' })
})

test('a wrong, missing or damaged base is reported as damage', async () => {
  const base = baseOf(Buffer.from(tags(200)))
  const bytes = Buffer.from(tags(200, 7))
  const packed = await pack(bytes, base)
  const spoilt = Buffer.from(base.bytes)
  spoilt[9] = (spoilt[9] ?? 0) ^ 1
  for (const load of [() => undefined, () => spoilt, () => randomBytes(9_000)]) {
    assert.throws(() => unpack(packed, sha256(bytes), load), { code: 'CORRUPT' })
  }
})

test('every version of a long history is readable by version and by checksum', async (t) => {
  const store = await newStore(t)
  const gun = parseGun('docker.io/acme/app')
  const documents = Array.from({ length: 12 }, (_, index) =>
    // Every fifth version changes everything and becomes a new base.
    documentOf('targets', index + 1, index % 5 === 4 ? randomBytes(6_000).toString('hex') : tags(300, index)),
  )
  for (const [index, document] of documents.entries()) await store.commit(commitOf(gun, index, [document]))
  for (const { version, sha256: name, bytes } of documents) {
    assert.deepEqual(Buffer.from(store.document(gun, 'targets', { version })?.bytes ?? []), Buffer.from(bytes))
    assert.deepEqual(Buffer.from(store.document(gun, 'targets', { sha256: name })?.bytes ?? []), Buffer.from(bytes))
  }
})

test('bytes stored whole in one repository and as a difference in another are readable in both', async (t) => {
  const store = await newStore(t)
  const [one, other] = [parseGun('docker.io/acme/one'), parseGun('docker.io/acme/other')]
  const [first, second, third] = [1, 2, 3].map((version) => documentOf('targets', version, tags(300, version)))
  await store.commit(commitOf(one, 0, [first!]))
  await store.commit(commitOf(one, 1, [second!]))
  // Here the second document is stored whole, as the base of the next.
  await store.commit(commitOf(other, 0, [second!]))
  await store.commit(commitOf(other, 1, [third!]))
  await store.commit(commitOf(one, 2, [third!]))
  for (const gun of [one, other]) {
    assert.deepEqual(Buffer.from(store.document(gun, 'targets', { version: 3 })?.bytes ?? []), third!.bytes)
  }
})

test('a repository published again after a delete is readable, whatever was stored whole before', async (t) => {
  const store = await newStore(t)
  const gun = parseGun('docker.io/acme/app')
  const [first, second, third] = [1, 2, 3].map((version) => documentOf('targets', version, tags(300, version)))
  await store.commit(commitOf(gun, 0, [second!]))
  await store.commit(commitOf(gun, 1, [third!]))
  await store.commit(
    commitOf(gun, 2, [], { kind: 'delete', head: { roles: {}, highest: { targets: 3 }, renewAt: null } }),
  )
  for (const [index, document] of [first, second, third].entries()) {
    const commit = commitOf(gun, 3 + index, [document!])
    await store.commit({ ...commit, head: { ...commit.head, highest: { targets: 3 } } })
  }
  for (const { version, bytes } of [first!, second!, third!]) {
    assert.deepEqual(Buffer.from(store.document(gun, 'targets', { version })?.bytes ?? []), bytes)
  }
})

test('a cached base is read again after ten seconds, and not used if it has been damaged since', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  const gun = parseGun('example.org/spoilt')
  const [first, second, third] = [1, 2, 3].map((version) => documentOf('targets', version, tags(200, version)))
  await store.commit(commitOf(gun, 0, [first!]))
  await store.commit(commitOf(gun, 1, [second!]))
  await spoil(place, documentKey(gun, 'targets', first!.sha256))
  const later = performance.now() + 10_001
  t.mock.method(performance, 'now', () => later)
  await store.commit(commitOf(gun, 2, [third!]))
  assert.deepEqual(Buffer.from(store.document(gun, 'targets', { version: 3 })?.bytes ?? []), third!.bytes)
})

test('a delete between reading a difference and its base is no damage', async (t) => {
  const place = await storePlace(t)
  const store = await newStore(t, place)
  const [first, second] = [documentOf('targets', 1, tags(200)), documentOf('targets', 2, tags(200, 7))]
  const gun = parseGun('example.org/gone')
  await store.commit(commitOf(gun, 0, [first]))
  await store.commit(commitOf(gun, 1, [second]))
  await store.close()
  const database = await Database.open(place.directory, false)
  t.after(() => database.close())
  const key = documentKey(gun, 'targets', second.sha256)
  const read = (deletes: boolean): StoredDocument | undefined => {
    let looks = 0
    const raw = (each: Buffer): Buffer | undefined => {
      looks += 1
      return looks > 1 && (deletes || !each.equals(key)) ? undefined : database.raw(each)
    }
    const records = Object.assign(Object.create(database) as Database, { raw })
    const reader = readerOver(records, () => ({ number: 2 }), new Writes())
    return reader.document(gun, 'targets', { sha256: second.sha256 })
  }
  assert.equal(read(true), undefined)
  assert.throws(() => read(false), { code: 'CORRUPT' })
})
