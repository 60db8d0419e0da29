import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  documentKey,
  dueKey,
  formatKey,
  headKey,
  historyKey,
  journalKey,
  keysKey,
  ownerKey,
  parseKey,
  rangeOf,
  recordKey,
  versionKey,
} from '../../src/store/keyspace.ts'
import type { Gun } from '../../src/tuf/gun.ts'

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed())
const number = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const gunOf = (text: string): Gun => text as Gun

/** Keys that end with a part of fixed length, and what they name. */
const closedKeys = fc.oneof(
  fc.constant([formatKey(), 'format'] as const),
  number.map((at) => [journalKey(at), 'journal', at] as const),
  fc
    .tuple(name, name, hash)
    .map(([gun, role, sha]) => [documentKey(gunOf(gun), role, sha), 'document', gun, role, sha] as const),
  fc
    .tuple(name, name, number)
    .map(([gun, role, at]) => [versionKey(gunOf(gun), role, at), 'version', gun, role, at] as const),
  fc.tuple(name, name).map(([gun, role]) => [keysKey(gunOf(gun), role), 'keys', gun, role] as const),
  fc.tuple(name, number).map(([gun, at]) => [historyKey(gunOf(gun), at), 'history', gun, at] as const),
)

/** Every kind of key and what it names. */
const keys = fc.oneof(
  closedKeys,
  name.map((gun) => [headKey(gunOf(gun)), 'head', gun] as const),
  hash.map((keyId) => [ownerKey(keyId), 'owner', keyId] as const),
  fc.tuple(number, name).map(([at, gun]) => [dueKey(at, gunOf(gun)), 'due', at, gun] as const),
  fc.tuple(name, name).map(([kind, text]) => [recordKey(kind, text), 'record', kind, text] as const),
)

test('a key parses back to exactly what it was built from', () => {
  fc.assert(
    fc.property(keys, ([key, kind, ...parts]) => {
      assert.deepEqual(parseKey(key), { kind, parts })
    }),
  )
})

test('bytes that no key has are not parsed', () => {
  fc.assert(
    fc.property(closedKeys, ([key]) => {
      assert.equal(parseKey(Buffer.concat([key, Buffer.of(0)])), undefined)
      assert.equal(parseKey(key.subarray(0, -1)), undefined)
    }),
  )
  assert.equal(parseKey(Buffer.from('x')), undefined)
})

test('the range of a repository holds its keys and no other repository’s', () => {
  fc.assert(
    fc.property(name, name, name, hash, (gun, other, role, sha) => {
      const { gte, lt } = rangeOf('document', gunOf(gun))
      const within = (key: Buffer): boolean => Buffer.compare(key, gte) >= 0 && Buffer.compare(key, lt) < 0
      assert.ok(within(documentKey(gunOf(gun), role, sha)))
      assert.equal(within(documentKey(gunOf(other), role, sha)), gun === other)
    }),
  )
})

test('due keys sort by time', () => {
  fc.assert(
    fc.property(number, number, name, name, (one, other, gun, another) => {
      const order = Buffer.compare(dueKey(one, gunOf(gun)), dueKey(other, gunOf(another)))
      if (one !== other) assert.equal(order, one < other ? -1 : 1)
    }),
  )
})
