import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { certificateEnds, isSoundDelegationKey, matchesGun, rootLeaf } from '../../src/tuf/keys/certificate.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { keyId, type PublicKey } from '../../src/tuf/keys/key.ts'
import { certificatesOf } from '../../src/tuf/asn1/x509.ts'
import {
  der,
  ecKeys,
  ECDSA_SHA1,
  ECDSA_SHA256,
  makeCertificate,
  pemOf,
  type CertificateParts,
} from './certificate-maker.ts'

const GUN = parseGun('example.com/team/app')
const NOW = Date.parse('2026-11-22T06:19:01Z')
const keys = ecKeys()

const make = (parts: Partial<CertificateParts> = {}): Buffer => makeCertificate({ keys, names: [GUN], ...parts })
const keyOf = (pem: string, keytype = 'ecdsa-x509'): PublicKey => ({
  keytype,
  public: Buffer.from(pem).toString('base64'),
})

function accepted(key: PublicKey, now = NOW, checkExpiry = true): boolean {
  const leaf = rootLeaf(key, GUN, checkExpiry ? now : undefined)
  return leaf !== undefined && leaf.keyId === keyId(key)
}

test('a root key rebuilt from its certificate has the same bytes and id', () => {
  const key = keyOf(pemOf(make()))
  assert.deepEqual(rootLeaf(key, GUN, NOW), { key, keyId: keyId(key) })
})

test('every curve that Notary knows is accepted', () => {
  for (const curve of ['P-224', 'P-256', 'P-384', 'P-521']) {
    assert.ok(accepted(keyOf(pemOf(make({ keys: ecKeys(curve) })))), curve)
  }
})

test('RSA is accepted, and the key type must match the certificate’s key', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signatureOid = '06092a864886f70d01010b0500'
  assert.ok(accepted(keyOf(pemOf(make({ keys: rsa, signatureOid })), 'rsa-x509')))
  assert.ok(!accepted(keyOf(pemOf(make({ keys: rsa, signatureOid })), 'ecdsa-x509')), 'the wrong type gives another id')
  assert.ok(!accepted(keyOf(pemOf(make()), 'rsa-x509')), 'the wrong type gives another id')
  assert.ok(!accepted(keyOf(pemOf(make()), 'ecdsa')), 'a type without certificate gives another id')
})

const intermediate = make({ names: ['intermediate'], ca: true })
const IGNORED: readonly (readonly [what: string, pem: string])[] = [
  ['nothing', ''],
  ['another common name', pemOf(make({ names: ['example.com/team/app2'] }))],
  ['a common name in another case', pemOf(make({ names: ['Example.com/team/app'] }))],
  ['no common name', pemOf(make({ names: [] }))],
  ['the right common name first and another one last', pemOf(make({ names: [GUN, 'other'] }))],
  ['a common name with a NUL after the right one', pemOf(make({ names: [`${GUN}\0.evil.example`] }))],
  ['a common name with a line break', pemOf(make({ names: [`${GUN}\nCN=${GUN}`] }))],
  ['a common name that ends in another subject', pemOf(make({ names: [`x\nCN=${GUN}`] }))],
  ['an expired certificate', pemOf(make({ ends: '2026-11-22T06:19:00Z' }))],
  ['a certificate that begins in two days', pemOf(make({ begins: '2026-11-24T06:19:01Z' }))],
  [
    'a certificate that ends before it begins',
    pemOf(make({ begins: '2026-11-22T00:00:00Z', ends: '2026-11-21T00:00:00Z' })),
  ],
  ['a certificate signed with SHA-1', pemOf(make({ signatureOid: ECDSA_SHA1 }))],
  ['a CA certificate alone', pemOf(make({ ca: true }))],
  ['a CA certificate whose key usage hides that it is one', pemOf(make({ ca: true, keyUsage: '0780' }))],
  ['the CA first', pemOf(intermediate, make())],
  ['two leaves', pemOf(make(), make())],
  ['an expired intermediate', pemOf(make(), make({ ca: true, ends: '2026-11-01T00:00:00Z' }))],
  ['an intermediate signed with SHA-1', pemOf(make(), make({ ca: true, signatureOid: ECDSA_SHA1 }))],
  ['two different signature algorithms', pemOf(make({ signatureOid: ECDSA_SHA1, outerOid: ECDSA_SHA256 }))],
  ['an intermediate whose curve Go does not know', pemOf(make(), make({ ca: true, spki: secp256k1Spki() }))],
  ['an Ed25519 certificate', pemOf(make({ spki: ed25519Spki() }))],
  [
    'a curve that Go does not know',
    pemOf(make({ spki: ecKeys('secp256k1').publicKey.export({ type: 'spki', format: 'der' }) })),
  ],
  ['a compressed point', pemOf(make({ spki: compressedSpki() }))],
  ['a point off its curve', pemOf(make({ spki: offCurveSpki() }))],
  ['a trailing line end', `${pemOf(make())}\n`],
  ['no line end at the end', pemOf(make()).trimEnd()],
  ['CRLF', pemOf(make()).replaceAll('\n', '\r\n')],
  ['a comment before the block', `subject=x\n${pemOf(make())}`],
  ['other line lengths', pemOf(make()).replace(/\n(?=[A-Za-z0-9+/])/, '')],
  [
    'a key block beside the certificate',
    `${pemOf(make())}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n`,
  ],
  ['bytes after the certificate inside the block', pemOf(Buffer.concat([make(), Buffer.from([0])]))],
  ['a certificate that is cut short', pemOf(make().subarray(0, -1))],
  ['a block that is no certificate', pemOf(der(0x30, Buffer.from([5, 0])))],
]

for (const [what, pem] of IGNORED) {
  test(`a root key counts for nothing with ${what}`, () => assert.equal(accepted(keyOf(pem)), false))
}

function secp256k1Spki(): Buffer {
  return ecKeys('secp256k1').publicKey.export({ type: 'spki', format: 'der' })
}

function ed25519Spki(): Buffer {
  return generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' })
}

function compressedSpki(): Buffer {
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' })
  const [x, y] = [spki.subarray(27, 59), spki.subarray(59)]
  const point = Buffer.concat([Buffer.from([0, (y.at(-1) ?? 0) % 2 === 0 ? 2 : 3]), x])
  return der(0x30, spki.subarray(2, 23), der(0x03, point))
}

function offCurveSpki(): Buffer {
  const spki = Buffer.from(keys.publicKey.export({ type: 'spki', format: 'der' }))
  spki.writeUInt8(spki.readUInt8(60) ^ 1, 60)
  return spki
}

/** RSA with MD2, MD4, MD5 and SHA-1, the latter also by its second OID; DSA and ECDSA with SHA-1. */
const WEAK = [
  ...['06092a864886f70d010102', '06092a864886f70d010103', '06092a864886f70d010104', '06092a864886f70d010105'],
  ...['06052b0e03021d', '06072a8648ce380403', ECDSA_SHA1],
]

test('certificates signed with a forgeable method are refused', () => {
  for (const signatureOid of WEAK) assert.ok(!accepted(keyOf(pemOf(make({ signatureOid })))), signatureOid)
})

test('a certificate is accepted until its very last second, and from a day before its start', () => {
  const key = keyOf(pemOf(make({ begins: '2026-11-22T00:00:00Z', ends: '2026-12-22T00:00:00Z' })))
  assert.ok(accepted(key, Date.parse('2026-12-22T00:00:00Z')))
  assert.ok(!accepted(key, Date.parse('2026-12-22T00:00:00.001Z')))
  assert.ok(accepted(key, Date.parse('2026-11-21T00:00:00Z')))
  assert.ok(!accepted(key, Date.parse('2026-11-20T23:59:59.999Z')))
  assert.ok(accepted(key, Date.parse('2046-01-01T00:00:00Z'), false), 'the end does not matter in an old root')
  const reversed = keyOf(pemOf(make({ begins: '2026-12-22T00:00:00Z', ends: '2026-11-22T00:00:00Z' })))
  assert.ok(!accepted(reversed, NOW, false), 'a certificate that was never valid is refused')
})

test('a certificate is accepted without basic constraints and when it says that it is no CA', () => {
  assert.ok(accepted(keyOf(pemOf(make()))))
  assert.ok(accepted(keyOf(pemOf(make({ ca: false })))))
})

test('certificates that end in 2050 or later are accepted', () => {
  assert.ok(accepted(keyOf(pemOf(make({ ends: '9999-12-31T23:59:59Z' })))))
})

test('two-digit years mean 1950 to 2049', () => {
  const validity = der(0x30, ...['500101000000Z', '491231235959Z'].map((text) => der(0x17, Buffer.from(text))))
  const key = keyOf(pemOf(make({ fields: { validity: validity.toString('hex') } })))
  assert.ok(accepted(key))
  assert.equal(certificateEnds(key), Date.parse('2049-12-31T23:59:59Z'))
})

test('sound intermediates are kept and others dropped; those of an earlier root are kept unchanged', () => {
  assert.ok(accepted(keyOf(pemOf(make({ names: [GUN] }), intermediate))))
  for (const unsound of [{ ends: '2026-11-01T00:00:00Z' }, { signatureOid: ECDSA_SHA1 }]) {
    const bundle = [make(), intermediate, make({ names: ['old'], ca: true, ...unsound })]
    const key = keyOf(pemOf(...bundle))
    const rebuilt = rootLeaf(key, GUN, NOW)
    assert.equal(rebuilt?.keyId, keyId(keyOf(pemOf(...bundle.slice(0, 2)))))
    assert.equal(rootLeaf(key, GUN, undefined)?.keyId, keyId(key))
  }
})

test('the last of several common names counts', () => {
  assert.ok(accepted(keyOf(pemOf(make({ names: ['other', GUN] })))))
})

test('the common name must match the repository (wire spec §6.2)', () => {
  const matching = [GUN, '*', '**', 'example.com/*', 'example.com/team/app*', 'example.com/team/app***', 'e*']
  for (const name of matching) assert.ok(matchesGun(name, GUN), name)
  const others = [
    '',
    'example.com/team',
    `${GUN}/`,
    'example.com/*/app',
    '*app',
    'Example.com/*',
    'example.com/team/app2*',
  ]
  for (const name of others) assert.ok(!matchesGun(name, GUN), name)
})

test('common names outside ASCII match', () => {
  const gun = parseGun('example.com/é/😀')
  const key = keyOf(pemOf(make({ names: ['example.com/é/*'] })))
  assert.ok(rootLeaf(key, gun, NOW))
})

test('a certificate key ends with the first of its certificates to end', () => {
  const ends = '2030-01-01T00:00:00Z'
  assert.equal(certificateEnds(keyOf(pemOf(make({ ends })))), Date.parse(ends))
  assert.equal(certificateEnds(keyOf(pemOf(make(), make({ ca: true, ends })))), Date.parse(ends))
  assert.equal(certificateEnds({ keytype: 'ecdsa', public: 'AAAA' }), undefined)
  assert.equal(certificateEnds(keyOf('nothing')), undefined)
})

test('a certificate is parsed once for its end, however many delegations name the key', () => {
  const { keytype, public: text } = keyOf(pemOf(make()))
  let read = 0
  const key = {
    keytype,
    get public() {
      read += 1
      return text
    },
  }
  assert.equal(certificateEnds(key), certificateEnds(key))
  assert.equal(read, 1)
})

test('isSoundDelegationKey accepts expired certificates, but none signed with SHA-1', () => {
  assert.ok(isSoundDelegationKey(keyOf(pemOf(make({ ends: '2026-01-02T00:00:00Z' })))))
  assert.ok(isSoundDelegationKey({ keytype: 'ed25519', public: 'AAAA' }))
  assert.ok(!isSoundDelegationKey(keyOf(pemOf(make({ signatureOid: ECDSA_SHA1 })))))
  assert.ok(!isSoundDelegationKey(keyOf('nothing')))
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
  assert.ok(!isSoundDelegationKey(keyOf(pemOf(make({ keys: short, signatureOid: '06092a864886f70d01010b0500' })))))
})

test('a bundle too long for the cache by text is parsed once per key object', () => {
  const key = keyOf(pemOf(...Array.from({ length: 16 }, () => make())))
  assert.ok(key.public.length > 4_096)
  assert.notEqual(certificatesOf(key), undefined)
  assert.equal(certificatesOf(key), certificatesOf(key))
  assert.notEqual(certificatesOf(key), certificatesOf({ ...key }))
})
