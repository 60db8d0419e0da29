import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { spkiOf } from '../../src/tuf/asn1/spki.ts'
import { loadKey, madeKey } from '../../src/tuf/keys/verification-key.ts'

for (const [keytype, { publicKey }, text] of [
  ['ed25519', generateKeyPairSync('ed25519'), (spki: Buffer) => spki.subarray(-32)],
  ['ecdsa', generateKeyPairSync('ec', { namedCurve: 'P-256' }), (spki: Buffer) => spki],
] as const) {
  test(`a key made here equals the one parsed from its bytes, ${keytype}`, () => {
    const spki = spkiOf(publicKey)
    assert.deepEqual(spki, publicKey.export({ type: 'spki', format: 'der' }))
    const made = madeKey(publicKey, spki)
    const read = loadKey({ keytype, public: text(spki).toString('base64') }, false)
    assert.ok(made !== undefined && read !== undefined)
    assert.ok(made.object.equals(read.object))
    assert.deepEqual({ ...made, object: null }, { ...read, object: null })
  })
}
