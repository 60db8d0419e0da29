import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { loadKey, madeKey } from '../../src/tuf/verification-key.ts'

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })

for (const [keytype, { publicKey }, text] of [
  ['ed25519', generateKeyPairSync('ed25519'), (spki: Buffer) => spki.subarray(-32)],
  ['ecdsa', generateKeyPairSync('ec', { namedCurve: 'P-256' }), (spki: Buffer) => spki],
] as const) {
  test(`a key that was made here is what would be read of it, ${keytype}`, () => {
    const spki = spkiOf(publicKey)
    const made = madeKey(publicKey, spki)
    const read = loadKey({ keytype, public: text(spki).toString('base64') }, false)
    assert.ok(made !== undefined && read !== undefined)
    assert.ok(made.object.equals(read.object))
    assert.deepEqual({ ...made, object: null }, { ...read, object: null })
  })
}
