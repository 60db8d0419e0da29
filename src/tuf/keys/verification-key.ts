import { Point } from '@noble/ed25519'
import { hash, type KeyObject } from 'node:crypto'
import { memoized } from '../../memory/memoized.ts'
import { decodePem } from '../asn1/pem.ts'
import { curveCoordinate, ED25519_KEY_BYTES, ed25519Spki, parseSpki } from '../asn1/spki.ts'
import { certificatesOf, type Certificate } from '../asn1/x509.ts'
import type { PublicKey } from './key.ts'

/** A public key, loaded and ready to verify. */
export interface VerificationKey {
  readonly keytype: 'ecdsa' | 'rsa' | 'ed25519'
  readonly object: KeyObject
  /** Hex SHA-256 of its SubjectPublicKeyInfo: the same for all forms of one key pair. */
  readonly pairId: string
  /** Bytes of a signature by this key. */
  readonly signatureLength: number
}

/** Clients refuse shorter ones (wire spec §11.3). */
export const RSA_MIN_BITS = 2048
/** OpenSSL's limit; it cannot verify with longer ones. */
const RSA_MAX_BITS = 16_384
/** Go's limit; larger exponents make verification slow. */
const RSA_MAX_EXPONENT = 2n ** 31n - 1n

const ED25519_SIGNATURE_BYTES = 64

/**
 * Loads a public key strictly (wire spec §11.2): exactly the DER that Go accepts, RSA within the limits above, ed25519
 * points that are canonical and not of small order (these verify signatures that nobody made, and no honest key is one).
 *
 * @param pem true for method `pycrypto-pkcs#1 pss`, whose RSA keys are PEM instead of DER
 * @returns undefined for a key that cannot verify anything
 */
export function loadKey(key: PublicKey, pem: boolean): VerificationKey | undefined {
  const bytes = Buffer.from(key.public, 'base64')
  switch (key.keytype) {
    case 'ecdsa':
      return loadEcdsa(bytes)
    case 'rsa':
      return loadRsa(pem ? publicKeyBlock(bytes) : bytes)
    case 'ed25519':
      return loadEd25519(bytes)
    case 'ecdsa-x509':
    case 'rsa-x509': {
      const leaf = certificatesOf(key)?.[0]
      const loaded = leaf === undefined ? undefined : loadCertificateKey(leaf)
      return loaded !== undefined && key.keytype === `${loaded.keytype}-x509` ? loaded : undefined
    }
    default:
      return undefined
  }
}

/** Loads a certificate's key. @returns undefined if it cannot verify anything; as in Go, nor can ed25519 certificates */
export const loadCertificateKey = memoized(
  ({ spki, key }: Certificate): VerificationKey | undefined => loadEcdsa(spki, key) ?? loadRsa(spki, key),
)

function publicKeyBlock(bytes: Buffer): Buffer | undefined {
  const blocks = decodePem(bytes)
  return blocks?.length === 1 && blocks[0]?.label === 'PUBLIC KEY' ? blocks[0].bytes : undefined
}

/** @param read the key, if it has been parsed already */
function loadEcdsa(der: Buffer, read?: KeyObject): VerificationKey | undefined {
  const coordinate = curveCoordinate(der)
  const object = coordinate === undefined ? undefined : (read ?? parseSpki(der))
  if (coordinate === undefined || object === undefined) return undefined
  return { keytype: 'ecdsa', object, pairId: pairId(der), signatureLength: 2 * coordinate }
}

function loadRsa(der: Buffer | undefined, read?: KeyObject): VerificationKey | undefined {
  const object = der === undefined ? undefined : (read ?? parseSpki(der))
  if (der === undefined || object?.asymmetricKeyType !== 'rsa') return undefined
  const { modulusLength = 0, publicExponent = 0n } = object.asymmetricKeyDetails ?? {}
  if (modulusLength < RSA_MIN_BITS || modulusLength > RSA_MAX_BITS) return undefined
  if (publicExponent < 3n || publicExponent > RSA_MAX_EXPONENT || publicExponent % 2n === 0n) return undefined
  return { keytype: 'rsa', object, pairId: pairId(der), signatureLength: Math.ceil(modulusLength / 8) }
}

function loadEd25519(raw: Buffer): VerificationKey | undefined {
  if (raw.length !== ED25519_KEY_BYTES || !isSoundPoint(raw)) return undefined
  const der = ed25519Spki(raw)
  const object = parseSpki(der)
  return object === undefined ? undefined : ed25519Key(object, der)
}

/** Loads the public key of a pair made here, without checks: OpenSSL derived it from the private key. */
export function madeKey(object: KeyObject, spki: Buffer): VerificationKey | undefined {
  return object.asymmetricKeyType === 'ed25519' ? ed25519Key(object, spki) : loadEcdsa(spki, object)
}

function ed25519Key(object: KeyObject, spki: Buffer): VerificationKey {
  return { keytype: 'ed25519', object, pairId: pairId(spki), signatureLength: ED25519_SIGNATURE_BYTES }
}

/** @param spki exactly as the key object would be exported; `parseSpki` ensures this */
function pairId(spki: Buffer): string {
  return hash('sha256', spki, 'hex')
}

function isSoundPoint(raw: Buffer): boolean {
  try {
    return !Point.fromBytes(Uint8Array.from(raw)).isSmallOrder()
  } catch {
    return false
  }
}
