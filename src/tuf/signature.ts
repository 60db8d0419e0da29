import { constants, createPublicKey, verify, X509Certificate, type KeyObject } from 'node:crypto'
import type { PublicKey } from './key.ts'

/** Bytes of r and of s for each curve; ECDSA signatures are r‖s, each padded to this (wire spec §11.3). */
const SCALAR_BYTES: Readonly<Record<string, number>> = {
  secp224r1: 28,
  prime256v1: 32,
  secp384r1: 48,
  secp521r1: 66,
}
/** Bits; shorter RSA keys never verify. */
const RSA_MIN_BITS = 2048
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const ED25519_BYTES = 32

/** Methods that fit a key type: the key decides the algorithm, the method is only checked against it (CVE-2015-9258). */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  ecdsa: ['ecdsa'],
  'ecdsa-x509': ['ecdsa'],
  rsa: ['rsapss', 'rsapkcs1v15', 'pycrypto-pkcs#1 pss'],
  'rsa-x509': ['rsapss', 'rsapkcs1v15'],
  ed25519: ['eddsa'],
}

/**
 * Verify one signature (wire spec §11.3).
 *
 * @param method lower case
 * @returns false if the signature is not valid, the method does not fit the key, or the key cannot be read; an
 *   unexpected failure of the crypto library is thrown, never taken for "invalid"
 */
export function verifySignature(key: PublicKey, method: string, sig: Uint8Array, message: Uint8Array): boolean {
  if (METHODS[key.keytype]?.includes(method) !== true) return false
  const parsed = parsePublicKey(key, method)
  if (parsed === undefined) return false
  switch (parsed.asymmetricKeyType) {
    case 'ec': {
      const bytes = SCALAR_BYTES[parsed.asymmetricKeyDetails?.namedCurve ?? '']
      if (method !== 'ecdsa' || bytes === undefined || sig.length !== 2 * bytes) return false
      return verify('sha256', message, { key: parsed, dsaEncoding: 'ieee-p1363' }, sig)
    }
    case 'ed25519':
      return method === 'eddsa' && sig.length === 64 && verify(null, message, parsed, sig)
    case 'rsa':
      return (
        (parsed.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_MIN_BITS && verifyRsa(parsed, method, sig, message)
      )
    default:
      return false
  }
}

function verifyRsa(key: KeyObject, method: string, sig: Uint8Array, message: Uint8Array): boolean {
  if (method === 'ecdsa' || method === 'eddsa') return false
  if (sig.length !== Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)) return false
  if (method === 'rsapkcs1v15') return verify('sha256', message, { key, padding: constants.RSA_PKCS1_PADDING }, sig)
  return verify('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, sig)
}

/** Parsed keys, most recently used last: parsing costs as much as verifying. */
const parsedKeys = new Map<string, KeyObject>()
/** Keys kept parsed. */
const PARSED_KEYS_MAX = 2_000

/** undefined for anything that is not a public key of the type that it claims. */
function parsePublicKey(key: PublicKey, method: string): KeyObject | undefined {
  const name = `${key.keytype}:${method}:${key.public}`
  const known = parsedKeys.get(name)
  if (known !== undefined) return known
  let parsed: KeyObject
  try {
    parsed = readPublicKey(key.keytype, method, Buffer.from(key.public, 'base64'))
  } catch {
    return undefined
  }
  if (parsedKeys.size >= PARSED_KEYS_MAX) parsedKeys.delete(parsedKeys.keys().next().value ?? '')
  parsedKeys.set(name, parsed)
  return parsed
}

function readPublicKey(keytype: string, method: string, bytes: Buffer): KeyObject {
  if (keytype === 'ed25519') {
    if (bytes.length !== ED25519_BYTES) throw new RangeError('an ed25519 key has 32 bytes')
    return createPublicKey({ key: Buffer.concat([ED25519_SPKI_PREFIX, bytes]), format: 'der', type: 'spki' })
  }
  const parsed = keytype.endsWith('-x509')
    ? new X509Certificate(bytes).publicKey
    : method === 'pycrypto-pkcs#1 pss'
      ? createPublicKey({ key: bytes, format: 'pem' })
      : createPublicKey({ key: bytes, format: 'der', type: 'spki' })
  const type = keytype.startsWith('rsa') ? 'rsa' : 'ec'
  if (parsed.asymmetricKeyType !== type) throw new TypeError(`not a key of type ${type}`)
  return parsed
}
