import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { canonicalKeyId, keyId } from '../../src/tuf/keys/key.ts'

interface KeyVector {
  readonly name: string
  readonly keytype: string
  readonly public: string
  readonly keyId: string
  readonly canonicalKeyId: string
}

const file = new URL('../vectors/crypto-vectors.json', import.meta.url)
const vectors = (JSON.parse(readFileSync(file, 'utf8')) as { signatures: KeyVector[] }).signatures

for (const vector of vectors) {
  test(`ids of the key of: ${vector.name}`, () => {
    assert.equal(keyId(vector), vector.keyId)
    assert.equal(canonicalKeyId(vector), vector.canonicalKeyId)
  })
}

test('the key of the wire specification’s example has the id given there', () => {
  const key = { keytype: 'ed25519', public: 'LptyPMGHkVnuIBIkyTX2XcYBYE8OTwmLD4YRgKIGvSE=' }
  assert.equal(keyId(key), '8fb21ea45fc36f1b670f128143cceaad7161fcf7f6446b6926b24aec5c02b5b8')
})

test('a private part and other members do not change the id', () => {
  const key = { keytype: 'ed25519', public: 'LptyPMGHkVnuIBIkyTX2XcYBYE8OTwmLD4YRgKIGvSE=' }
  assert.equal(keyId({ ...key, private: 'AAAA', scheme: 'ed25519' } as never), keyId(key))
})

test('another base64 spelling of a key has the same id', () => {
  const key = { keytype: 'ed25519', public: 'LptyPMGHkVnuIBIkyTX2XcYBYE8OTwmLD4YRgKIGvSE=' }
  assert.equal(keyId({ ...key, public: key.public.replace('SE=', 'SF=') }), keyId(key))
})

test('an unreadable certificate key keeps its key id as canonical id', () => {
  const key = { keytype: 'ecdsa-x509', public: Buffer.from('no certificate').toString('base64') }
  assert.equal(canonicalKeyId(key), keyId(key))
})
