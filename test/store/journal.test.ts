import assert from 'node:assert/strict'
import { test } from 'node:test'
import canonicalize from 'canonicalize'
import * as fc from 'fast-check'
import { entryBytes } from '../../src/store/journal.ts'
import type { JournalEntry } from '../../src/store/store.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const sha256 = fc.oneof(text, fc.constant(null))
const entries: fc.Arbitrary<JournalEntry> = fc.record({
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
  records: fc.array(fc.record({ kind: text, name: text, sha256 }), { maxLength: 3 }),
  changes: fc.array(fc.record({ role: text, tag: text, from: sha256, to: sha256 }), { maxLength: 3 }),
  head: text,
})

test('the bytes of an entry are its RFC 8785 form, also after it was read back', () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const bytes = entryBytes(entry)
      assert.equal(bytes.toString(), canonicalize(entry))
      assert.deepEqual(entryBytes(JSON.parse(bytes.toString()) as JournalEntry), bytes)
    }),
  )
})
