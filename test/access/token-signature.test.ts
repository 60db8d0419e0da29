import assert from 'node:assert/strict'
import { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { CompactSign, generateKeyPair } from 'jose'
import { isSignedBy } from '../../src/access/token-signature.ts'

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

for (const algorithm of ALGORITHMS) {
  test(`${algorithm}: accepts what jose signs, and nothing that differs from it`, async () => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm)
    const jws = new CompactSign(Buffer.from('{"sub":"alice"}')).setProtectedHeader({ alg: algorithm })
    const [header = '', payload = '', encoded = ''] = (await jws.sign(privateKey)).split('.')
    const [text, signature] = [`${header}.${payload}`, Buffer.from(encoded, 'base64url')]
    const key = KeyObject.from(publicKey)
    assert.equal(isSignedBy({ key, algorithm }, text, signature), true)
    assert.equal(isSignedBy({ key, algorithm }, `${text}x`, signature), false)
    for (let byte = 0; byte < signature.length; byte += 1) {
      const flipped = Buffer.from(signature)
      flipped[byte] = (flipped[byte] ?? 0) ^ 0x01
      assert.equal(isSignedBy({ key, algorithm }, text, flipped), false, `byte ${byte}`)
    }
    for (const other of [signature.subarray(1), signature.subarray(0, -1), Buffer.concat([signature, Buffer.alloc(1)])])
      assert.equal(isSignedBy({ key, algorithm }, text, other), false, `${other.length} bytes`)
    const hashes = ALGORITHMS.filter((each) => each !== algorithm && each.slice(0, 2) === algorithm.slice(0, 2))
    for (const each of hashes) assert.equal(isSignedBy({ key, algorithm: each }, text, signature), false, each)
    for (const each of ['none', 'HS256', 'PS256', ''])
      assert.equal(isSignedBy({ key, algorithm: each }, text, signature), false, each)
  })
}
