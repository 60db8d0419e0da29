import assert from 'node:assert/strict'
import { constants, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Point, verifyAsync } from '@noble/ed25519'
import type { PublicKey } from '../../src/tuf/keys/key.ts'
import { encodePem } from '../../src/tuf/asn1/pem.ts'
import { canVerify, keyPairId, verifyAhead, verifySignature } from '../../src/tuf/keys/signature.ts'
import { der, ecKeys, makeCertificate, pemOf } from './certificate-maker.ts'

interface SignatureVector extends PublicKey {
  readonly name: string
  readonly method: string
  readonly message: string
  readonly sig: string
  readonly valid: boolean
}

const file = new URL('../vectors/crypto-vectors.json', import.meta.url)
const vectors = (JSON.parse(readFileSync(file, 'utf8')) as { signatures: SignatureVector[] }).signatures

test('all vectors are loaded', () => assert.equal(vectors.length, 46))

for (const { name, valid, method, sig, message, ...key } of vectors) {
  test(`${valid ? 'verifies' : 'refuses'}: ${name}`, () => {
    for (const round of ['first', 'from the cache']) {
      assert.equal(verifySignature(key, method, Buffer.from(sig, 'base64'), Buffer.from(message)), valid, round)
    }
  })
}

const METHODS = [
  'ecdsa',
  'eddsa',
  'rsapss',
  'rsapkcs1v15',
  'pycrypto-pkcs#1 pss',
  'ed25519',
  'none',
  'hs256',
  '',
  'constructor',
]

test('verifying ahead never changes a verdict, whichever key and method follow', async () => {
  for (const { name, valid, method, sig, message, ...key } of vectors) {
    const [sigBytes, messageBytes] = [Buffer.from(sig, 'base64'), Buffer.from(message)]
    await verifyAhead(key, method, sigBytes, messageBytes)
    assert.equal(verifySignature(key, method, sigBytes, messageBytes), valid, name)
    assert.equal(verifySignature(key, method, sigBytes, Buffer.from(`${message} `)), false, `${name}: another message`)
    for (const by of vectors) {
      for (const as of METHODS) {
        const verdict = verifySignature(by, as, sigBytes, messageBytes)
        // This copy was not verified ahead.
        const expected = verifySignature(by, as, Buffer.from(sigBytes), messageBytes)
        assert.equal(verdict, expected, `${name} by the key of ${by.name} as ${as}`)
      }
    }
  }
})

test('a signature verified ahead with one key does not verify with another of its type', async () => {
  const [one, other] = [ecKeys(), ecKeys()]
  const sig = sign('sha256', message, { key: one.privateKey, dsaEncoding: 'ieee-p1363' })
  const keys = [one, other].map(({ publicKey }) => ({ keytype: 'ecdsa', public: base64(spkiOf(publicKey)) }))
  for (const key of keys) {
    await verifyAhead(key, 'ecdsa', sig, message)
    assert.deepEqual(
      keys.map((each) => verifySignature(each, 'ecdsa', sig, message)),
      [true, false],
    )
  }
})

test('what was verified ahead is not verified again', async () => {
  const { method, sig, message, ...key } = vectors.find(({ valid }) => valid) ?? assert.fail()
  const [sigBytes, messageBytes] = [Buffer.from(sig, 'base64'), Buffer.from(message)]
  await verifyAhead(key, method, sigBytes, messageBytes)
  // No caller may change the bytes; here it shows that they are not verified a second time.
  messageBytes.fill(0)
  assert.equal(verifySignature(key, method, sigBytes, messageBytes), true)
  assert.equal(verifySignature(key, method, Buffer.from(sigBytes), messageBytes), false)
})

test('a key gives the same verdict at every use', () => {
  for (const { name, valid, method, sig, message, ...key } of vectors) {
    const fresh = (): typeof key => ({ ...key })
    for (let use = 0; use < 5; use += 1) {
      const verdict = verifySignature(fresh(), method, Buffer.from(sig, 'base64'), Buffer.from(message))
      assert.equal(verdict, valid, `${name}, use ${use}`)
    }
  }
})

test('a point off the curve verifies nothing and does not throw', async () => {
  const { publicKey, privateKey } = ecKeys()
  const sig = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const spki = spkiOf(publicKey)
  spki[spki.length - 1]! ^= 1
  const key = { keytype: 'ecdsa', public: base64(spki) }
  assert.equal(verifySignature(key, 'ecdsa', sig, message), false)
  await verifyAhead(key, 'ecdsa', sig, message)
  assert.equal(verifySignature(key, 'ecdsa', sig, message), false)
  assert.equal(canVerify(key), false)
})

test('a signature verifies only with its own method and key type', () => {
  const types = ['ecdsa', 'ecdsa-x509', 'rsa', 'rsa-x509', 'ed25519', 'constructor', '__proto__', 'toString']
  for (const vector of vectors.filter(({ valid }) => valid)) {
    for (const keytype of types) {
      for (const method of METHODS) {
        const key = { keytype, public: vector.public }
        const expected = keytype === vector.keytype && method === vector.method
        const verdict = verifySignature(key, method, Buffer.from(vector.sig, 'base64'), Buffer.from(vector.message))
        assert.equal(verdict, expected, `${vector.name} as ${keytype} with ${method}`)
      }
    }
  }
})

test('a signature with a changed bit or another length does not verify', () => {
  for (const { method, sig, message, ...key } of vectors.filter(({ valid }) => valid)) {
    const good = Buffer.from(sig, 'base64')
    for (const at of [0, 1, good.length >> 1, good.length - 1]) {
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(at) ^ 0x10, at)
      assert.equal(verifySignature(key, method, bad, Buffer.from(message)), false)
    }
    for (const bad of [
      Buffer.alloc(0),
      good.subarray(1),
      good.subarray(0, -1),
      Buffer.concat([Buffer.alloc(1), good]),
    ]) {
      assert.equal(verifySignature(key, method, bad, Buffer.from(message)), false)
    }
    assert.equal(verifySignature(key, method, good, Buffer.from(`${message} `)), false)
  }
})

test('a caller’s mistake throws instead of looking like a bad signature', () => {
  const { method, sig, ...key } = vectors.find(({ valid }) => valid) ?? assert.fail()
  assert.throws(() => verifySignature(key, method, Buffer.from(sig, 'base64'), undefined as never), TypeError)
})

const message = Buffer.from('{"_type":"Targets"}')
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** Each signature is valid, but Go refuses the key’s encoding, or OpenSSL would accept more than Go. */
test('keys not encoded exactly as Go reads them are refused', () => {
  const ec = ecKeys()
  const spki = spkiOf(ec.publicKey)
  const sig = sign('sha256', message, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
  const verdict = (bytes: Buffer): boolean =>
    verifySignature({ keytype: 'ecdsa', public: base64(bytes) }, 'ecdsa', sig, message)
  assert.equal(verdict(spki), true)
  const [x, y] = [spki.subarray(27, 59), spki.subarray(59)]
  const odd = (y.at(-1) ?? 0) % 2
  const withPoint = (...point: Buffer[]): Buffer =>
    der(0x30, spki.subarray(2, 23), der(0x03, Buffer.alloc(1), ...point))
  assert.equal(verdict(withPoint(Buffer.from([4]), x, y)), true, 'the same bytes again')
  assert.equal(verdict(withPoint(Buffer.from([2 + odd]), x)), false, 'compressed point')
  assert.equal(verdict(withPoint(Buffer.from([6 + odd]), x, y)), false, 'hybrid point')
  assert.equal(verdict(Buffer.concat([spki, Buffer.alloc(1)])), false, 'trailing bytes')
  assert.equal(verdict(Buffer.concat([Buffer.from([0x30, 0x81]), spki.subarray(1)])), false, 'longer length')
  assert.equal(verdict(Buffer.alloc(0)), false, 'nothing')
})

test('curves that Go does not know are refused', () => {
  const ec = ecKeys('secp256k1')
  const sig = sign('sha256', message, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
  assert.equal(
    verifySignature({ keytype: 'ecdsa', public: base64(spkiOf(ec.publicKey)) }, 'ecdsa', sig, message),
    false,
  )
})

test('RSA keys with trailing bytes, another algorithm or an exponent that Go refuses are refused', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const sig = sign('sha256', message, rsa.privateKey)
  const verdict = (bytes: Buffer, signature = sig): boolean =>
    verifySignature({ keytype: 'rsa', public: base64(bytes) }, 'rsapkcs1v15', signature, message)
  const spki = spkiOf(rsa.publicKey)
  assert.equal(verdict(spki), true)
  assert.equal(verdict(Buffer.concat([spki, Buffer.alloc(1)])), false)
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  const pssSig = sign('sha256', message, {
    key: pss.privateKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 32,
  })
  const pssKey = { keytype: 'rsa', public: base64(spkiOf(pss.publicKey)) }
  assert.equal(verifySignature(pssKey, 'rsapss', pssSig, message), false)
  const large = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 4_294_967_291 })
  assert.equal(verdict(spkiOf(large.publicKey), sign('sha256', message, large.privateKey)), false)
})

const ed25519 = (raw: Uint8Array): PublicKey => ({ keytype: 'ed25519', public: base64(raw) })
const openssl = (raw: Uint8Array, sig: Uint8Array, text: Uint8Array): boolean => {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
  return verify(null, text, createPublicKey({ key: spki, format: 'der', type: 'spki' }), sig)
}

/** RFC 8032 §7.1, tests 1 to 3. */
const RFC_8032 = [
  {
    key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    sig: 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    key: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    sig: '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    key: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    sig: '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
].map(({ key, message, sig }) => ({
  key: Buffer.from(key, 'hex'),
  message: Buffer.from(message, 'hex'),
  sig: Buffer.from(sig, 'hex'),
}))

test('ed25519 verdicts agree with OpenSSL and noble on the vectors of RFC 8032 and variations of them', async () => {
  for (const { key, message, sig } of RFC_8032) {
    const changed = [0, 31, 32, 63].map((at) => {
      const bad = Buffer.from(sig)
      bad.writeUInt8(bad.readUInt8(at) ^ 1, at)
      return bad
    })
    for (const candidate of [sig, addOrder(sig), ...changed]) {
      const expected = candidate === sig
      assert.equal(verifySignature(ed25519(key), 'eddsa', candidate, message), expected)
      assert.equal(openssl(key, candidate, message), expected)
      assert.equal(
        await verifyAsync(Uint8Array.from(candidate), Uint8Array.from(message), Uint8Array.from(key)),
        expected,
      )
    }
  }
})

/** Adds the group's order to S: the signature verifies unless S is checked to be below the order. */
function addOrder(sig: Buffer): Buffer {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const s = BigInt(`0x${Buffer.from(sig.subarray(32)).reverse().toString('hex')}`) + order
  return Buffer.concat([sig.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()])
}

const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
].map((hex) => Buffer.from(hex, 'hex'))

/** R = S·B with S = 1: verifies every message by a small-order key where only the cofactored equation is checked. */
const FORGED = Buffer.concat([Point.BASE.toBytes(), Buffer.from([1]), Buffer.alloc(31)])

test('ed25519 keys of small order, with which anybody can forge signatures, are refused', async () => {
  const text = Buffer.from('message')
  for (const raw of SMALL_ORDER) {
    const lax = await verifyAsync(Uint8Array.from(FORGED), Uint8Array.from(text), Uint8Array.from(raw), {
      zip215: true,
    })
    assert.equal(lax, true, 'a lax verifier accepts the forgery')
    assert.equal(verifySignature(ed25519(raw), 'eddsa', FORGED, text), false)
    assert.equal(canVerify(ed25519(raw)), false)
  }
})

test('ed25519 keys that are not a canonical point are refused', () => {
  const aboveField = Buffer.concat([Buffer.from([0xee]), Buffer.alloc(30, 0xff), Buffer.from([0x7f])])
  for (const raw of [aboveField, Buffer.alloc(32, 0xff), Buffer.alloc(32, 2)])
    assert.equal(canVerify(ed25519(raw)), false)
})

test('a key pair has one id in all its forms', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const spki = spkiOf(rsa.publicKey)
  const pem = encodePem([{ label: 'PUBLIC KEY', bytes: spki }])
  const certificate = makeCertificate({ keys: rsa, names: ['a'], signatureOid: '06092a864886f70d01010b0500' })
  const forms = [
    { keytype: 'rsa', public: base64(spki) },
    { keytype: 'rsa', public: base64(pem) },
    { keytype: 'rsa-x509', public: base64(Buffer.from(pemOf(certificate))) },
  ]
  assert.equal(new Set(forms.map(keyPairId)).size, 1)
  assert.ok(forms.every(canVerify))
  const ec = ecKeys()
  const ecForms = [
    { keytype: 'ecdsa', public: base64(spkiOf(ec.publicKey)) },
    { keytype: 'ecdsa-x509', public: base64(Buffer.from(pemOf(makeCertificate({ keys: ec, names: ['a'] })))) },
    { keytype: 'ecdsa-x509', public: base64(Buffer.from(pemOf(makeCertificate({ keys: ec, names: ['b'] })))) },
  ]
  assert.equal(new Set(ecForms.map(keyPairId)).size, 1)
  assert.notEqual(keyPairId({ keytype: 'foo', public: 'AAAA' }), keyPairId({ keytype: 'foo', public: 'BBBB' }))
})

/** An RSA key whose private half does not exist. @param exponent hex */
function rsaSpki(bits: number, exponent: string): Buffer {
  const modulus = der(0x02, Buffer.alloc(1), Buffer.alloc(bits / 8, 0xc1))
  const numbers = der(0x30, modulus, der(0x02, Buffer.from(exponent, 'hex')))
  return der(0x30, der(0x30, Buffer.from('06092a864886f70d0101010500', 'hex')), der(0x03, Buffer.alloc(1), numbers))
}

test('canVerify is false for keys that can verify nothing', () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
  assert.equal(canVerify({ keytype: 'rsa', public: base64(spkiOf(short.publicKey)) }), false)
  for (const [modulus, exponent] of [
    [2_048, '01'],
    [2_048, '04'],
    [2_048, '0080000001'],
    [16_392, '010001'],
  ] as const) {
    assert.equal(
      canVerify({ keytype: 'rsa', public: base64(rsaSpki(modulus, exponent)) }),
      false,
      `${modulus} ${exponent}`,
    )
  }
  assert.equal(canVerify({ keytype: 'rsa', public: base64(rsaSpki(16_384, '010001')) }), true)
  assert.equal(canVerify({ keytype: 'foo', public: 'AAAA' }), false)
  assert.equal(canVerify({ keytype: 'ed25519', public: base64(Buffer.alloc(33, 7)) }), false)
})

test('verification still works after more keys than the cache holds', () => {
  const { method, sig, message: text, ...key } = vectors.find(({ name }) => name === 'ed25519') ?? assert.fail()
  for (let index = 0; index < 1_100; index += 1) {
    const raw = Point.BASE.multiply(BigInt(index + 2)).toBytes()
    assert.equal(verifySignature(ed25519(raw), method, Buffer.from(sig, 'base64'), Buffer.from(text)), false)
  }
  assert.equal(verifySignature(key, method, Buffer.from(sig, 'base64'), Buffer.from(text)), true)
})
