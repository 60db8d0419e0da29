import { X509Certificate, type KeyObject } from 'node:crypto'
import { Memo } from '../../memory/memo.ts'
import { memoized } from '../../memory/memoized.ts'
import { CERTIFICATE_BYTES, keptOutside } from '../../memory/outside-heap.ts'
import { derChildren, derElement, SEQUENCE, type DerElement } from './der.ts'
import { decodePem } from './pem.ts'
import { curveCoordinate, parseSpki } from './spki.ts'
import { BASIC_CONSTRAINTS, readExtensions, saysCa, type Extension } from './x509-extensions.ts'
import { isAlgorithm, isBitString, isCount, readName, readTime } from './x509-fields.ts'

/** A parsed certificate; nothing about it has been verified. */
export interface Certificate {
  /** Exactly as in the PEM text. */
  readonly der: Buffer
  readonly key: KeyObject
  /** SubjectPublicKeyInfo. */
  readonly spki: Buffer
  /** The last common name of the subject, as Go reads it; undefined if there is none, or if it is not UTF-8. */
  readonly commonName: string | undefined
  /** What the basic constraints say, like Go's `IsCA`. Node's `.ca` also considers the key usage. */
  readonly isCa: boolean
  /** Milliseconds since 1970. */
  readonly begins: number
  readonly ends: number
  /** OID in dotted form. */
  readonly signatureAlgorithm: string | undefined
}

const VERSION = 0xa0
/** 2.5.4.3 */
const COMMON_NAME = '550403'
/** Go reads no longer exponents. Those it verifies with are fewer still (`verification-key.ts`). */
const EXPONENT_BITS = 63n

/** Cache of parsed bundles. Malformed ones are not cached. */
const bundles = new Memo<Certificate[] | undefined>(1_000)

/**
 * Returns the certificates of a key: a PEM text that contains only certificates.
 *
 * @param key its `public` is that text in base64
 * @returns undefined if it is anything else
 */
export const certificatesOf = memoized((key: { readonly public: string }): readonly Certificate[] | undefined =>
  bundles.get(key.public, () => parseCertificateBundle(Buffer.from(key.public, 'base64'))),
)

/** As `certificatesOf`, for the PEM text itself and without the cache. @returns undefined for all but certificates */
export function parseCertificateBundle(pem: Uint8Array): Certificate[] | undefined {
  const certificates: Certificate[] = []
  for (const { label, bytes } of decodePem(pem) ?? []) {
    const certificate = label === 'CERTIFICATE' ? parseCertificate(bytes) : undefined
    if (certificate === undefined) return undefined
    certificates.push(certificate)
  }
  return certificates.length === 0 ? undefined : certificates
}

/**
 * Parses a certificate from its DER, everything that Go parses: what Go cannot read, no client can. Node's parser must
 * accept it too, but is not enough: it accepts more than Go, its `.subject` is text for people, and its
 * `toLegacyObject()` ends the process (Node 24.21) on a certificate whose key it cannot show, which anybody can upload.
 *
 * @returns undefined for anything that Go or Node would not read
 */
export function parseCertificate(der: Buffer): Certificate | undefined {
  const certificate = derChildren(derElement(der), SEQUENCE)
  const body = derChildren(certificate?.[0], SEQUENCE)
  if (certificate?.length !== 3 || body === undefined) return undefined
  const version = readVersion(body[0])
  const [serial, algorithm, issuer, validity, subject, spki, ...rest] = body[0]?.tag === VERSION ? body.slice(1) : body
  // As in Go, the signed part and the signature must name the same algorithm.
  if (!isAlgorithm(algorithm) || certificate[1]?.bytes.equals(algorithm.bytes) !== true) return undefined
  if (!isCount(serial) || !isBitString(certificate[2]) || readName(issuer) === undefined) return undefined
  const [begins, ends] = readValidity(validity)
  const names = readName(subject)
  // Go reads extensions in version 3 only. Unique ids, which may come before them, are refused.
  const extensions = rest.length === 0 ? new Map<string, Extension>() : readExtensions(rest[0])
  if (version === undefined || rest.length > (version === 2 ? 1 : 0) || extensions === undefined) return undefined
  if (begins === undefined || ends === undefined || names === undefined || spki === undefined) return undefined
  const x509 = readX509(der)
  const key = x509 === undefined ? undefined : readKey(x509, spki.bytes)
  if (x509 === undefined || key === undefined) return undefined
  return {
    der,
    key,
    spki: spki.bytes,
    commonName: names.findLast(({ type }) => type === COMMON_NAME)?.text,
    isCa: saysCa(extensions.get(BASIC_CONSTRAINTS)),
    begins,
    ends,
    signatureAlgorithm: x509.signatureAlgorithmOid,
  }
}

/** Returns 0, 1 or 2 for X.509 versions 1, 2 and 3; 0 is the default. */
function readVersion(first: DerElement | undefined): number | undefined {
  if (first?.tag !== VERSION) return 0
  const number = derElement(first.content)
  const bytes = isCount(number) ? number.content : undefined
  return bytes?.length === 1 && bytes.readUInt8() <= 2 ? bytes.readUInt8() : undefined
}

function readValidity(validity: DerElement | undefined): (number | undefined)[] {
  const times = derChildren(validity, SEQUENCE)
  return times?.length === 2 ? times.map(readTime) : []
}

function readX509(der: Buffer): X509Certificate | undefined {
  try {
    const x509 = keptOutside(new X509Certificate(der), CERTIFICATE_BYTES)
    return x509.raw.equals(der) ? x509 : undefined
  } catch {
    return undefined
  }
}

/** A key on one of Go's curves has one form, so Node's reading of it will do. All others are parsed again, strictly. */
function readKey(x509: X509Certificate, spki: Buffer): KeyObject | undefined {
  if (curveCoordinate(spki) === undefined) {
    const key = parseSpki(spki)
    return (key?.asymmetricKeyDetails?.publicExponent ?? 0n) >> EXPONENT_BITS === 0n ? key : undefined
  }
  try {
    return x509.publicKey
  } catch {
    // A point that is not on the curve.
    return undefined
  }
}
