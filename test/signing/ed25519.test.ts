import assert from 'node:assert/strict'
import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { pkcs8Of, privateKeyOfSeed } from '../../src/signing/ed25519.ts'
import { p256SpkiIn } from '../../src/tuf/asn1/spki.ts'
import { nobleEd25519 } from '../support/noble-ed25519.ts'

/** RFC 8032 §7.1: secret, public key, message, signature. */
const RFC_8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const opensslSign = (seed: Uint8Array, message: Uint8Array): Buffer => sign(null, message, privateKeyOfSeed(seed))
const opensslVerify = (seed: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  verify(null, message, createPublicKey(privateKeyOfSeed(seed)), signature)

test('noble and OpenSSL both produce the signatures of RFC 8032', () => {
  for (const [secret, publicKey, message, signature] of RFC_8032) {
    assert.equal(Buffer.from(nobleEd25519.publicKey(hex(secret))).toString('hex'), publicKey)
    assert.equal(Buffer.from(nobleEd25519.sign(hex(secret), hex(message))).toString('hex'), signature)
    assert.equal(opensslSign(hex(secret), hex(message)).toString('hex'), signature)
  }
})

test('noble and OpenSSL agree on any message, and both refuse a signature with a flipped bit', () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(bytes(32), fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 511 }), (seed, message, bit) => {
      const signature = opensslSign(seed, message)
      assert.deepEqual(Buffer.from(nobleEd25519.sign(seed, message)), signature)
      const publicKey = nobleEd25519.publicKey(seed)
      assert.ok(nobleEd25519.verify(publicKey, message, signature))
      assert.ok(opensslVerify(seed, message, signature))
      signature[bit >> 3] = (signature[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(nobleEd25519.verify(publicKey, message, signature), false)
      assert.equal(opensslVerify(seed, message, signature), false)
    }),
    { numRuns: 60 },
  )
})

test('each kind of private key is encoded as OpenSSL encodes it', () => {
  for (const { privateKey } of [generateKeyPairSync('ed25519'), generateKeyPairSync('ec', { namedCurve: 'P-256' })]) {
    assert.deepEqual(pkcs8Of(privateKey), privateKey.export({ format: 'der', type: 'pkcs8' }))
  }
})

test('the public half of a P-256 key is read from its PKCS#8, unless the point there is compressed', () => {
  for (let made = 0; made < 50; made += 1) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    assert.deepEqual(p256SpkiIn(pkcs8Of(privateKey)), publicKey.export({ format: 'der', type: 'spki' }))
  }
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(Buffer.alloc(32, 7))
  const [start, middle] = ['30570201010420', 'a00a06082a8648ce3d030107a124032200'].map((hex) => Buffer.from(hex, 'hex'))
  const sec1 = Buffer.concat([start!, ecdh.getPrivateKey(), middle!, ecdh.getPublicKey(null, 'compressed')])
  const compressed = createPrivateKey({ key: sec1, format: 'der', type: 'sec1' })
  assert.equal(p256SpkiIn(pkcs8Of(compressed)), undefined)
})
