import { createPublicKey, type KeyObject } from 'node:crypto'
import { KEY_BYTES, keptOutside } from '../../memory/outside-heap.ts'
import { withoutStackTraces } from './without-stack-traces.ts'

/** For each curve that Go knows: the SubjectPublicKeyInfo up to the uncompressed point, and the bytes per coordinate. */
const CURVES = [
  { prefix: '304e301006072a8648ce3d020106052b81040021033a0004', coordinate: 28 }, // P-224
  { prefix: '3059301306072a8648ce3d020106082a8648ce3d03010703420004', coordinate: 32 }, // P-256
  { prefix: '3076301006072a8648ce3d020106052b8104002203620004', coordinate: 48 }, // P-384
  { prefix: '30819b301006072a8648ce3d020106052b810400230381860004', coordinate: 66 }, // P-521
].map(({ prefix, coordinate }) => ({ prefix: Buffer.from(prefix, 'hex'), coordinate }))

/** Returns the bytes per coordinate of an elliptic-curve key in DER; undefined for anything Go would not read as one. */
export function curveCoordinate(der: Buffer): number | undefined {
  const curve = CURVES.find(({ prefix, coordinate }) => {
    return der.length === prefix.length + 2 * coordinate && der.subarray(0, prefix.length).equals(prefix)
  })
  return curve?.coordinate
}

/** The SubjectPublicKeyInfo of an ed25519 key, up to its 32 bytes. */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
export const ED25519_KEY_BYTES = 32

/** Returns the SubjectPublicKeyInfo of an ed25519 key. @param raw 32 bytes */
export function ed25519Spki(raw: Uint8Array): Buffer {
  return Buffer.concat([ED25519_PREFIX, raw])
}

/** The SubjectPublicKeyInfo of a P-256 key, up to its point. */
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

/** Returns the SubjectPublicKeyInfo of a P-256 key. @param point uncompressed: 65 bytes */
export function p256Spki(point: Uint8Array): Buffer {
  return Buffer.concat([P256_PREFIX, point])
}

/** Returns the SubjectPublicKeyInfo of an ed25519 or P-256 key, 20 to 30 µs faster than OpenSSL writes it. */
export function spkiOf(key: KeyObject): Buffer {
  const raw = key.export({ format: 'raw-public' })
  return key.asymmetricKeyType === 'ed25519' ? ed25519Spki(raw) : p256Spki(raw)
}

/** Bytes of a P-256 key in PKCS#8 that ends with the uncompressed point. */
const P256_PKCS8_BYTES = 138
const P256_POINT_BYTES = 65

/**
 * Returns the SubjectPublicKeyInfo of a P-256 key from its exported private key, which saves 25 µs for computing the
 * point again.
 *
 * @param pkcs8 DER as OpenSSL writes it
 * @returns undefined for any other form, as OpenSSL writes for a key read with a compressed point
 */
export function p256SpkiIn(pkcs8: Buffer): Buffer | undefined {
  if (pkcs8.length !== P256_PKCS8_BYTES) return undefined
  return p256Spki(pkcs8.subarray(-P256_POINT_BYTES))
}

/**
 * Reads a public key in DER (SubjectPublicKeyInfo) as strictly as Go does: only the exact bytes that the key would be
 * written as. No BER and nothing after the key; only four named curves, with uncompressed points.
 *
 * @returns undefined for anything else
 */
export function parseSpki(der: Buffer): KeyObject | undefined {
  try {
    const read = (): KeyObject => createPublicKey({ key: der, format: 'der', type: 'spki' })
    const object = keptOutside(withoutStackTraces(read), KEY_BYTES)
    // Fixed prefixes and lengths leave these only one encoding. All others are exported again and compared, which
    // takes longer than reading them.
    if (object.asymmetricKeyType === 'ec') return curveCoordinate(der) === undefined ? undefined : object
    if (object.asymmetricKeyType === 'ed25519' && isEd25519Spki(der)) return object
    return object.export({ type: 'spki', format: 'der' }).equals(der) ? object : undefined
  } catch {
    return undefined
  }
}

function isEd25519Spki(der: Buffer): boolean {
  const { length } = ED25519_PREFIX
  return der.length === length + ED25519_KEY_BYTES && der.subarray(0, length).equals(ED25519_PREFIX)
}
