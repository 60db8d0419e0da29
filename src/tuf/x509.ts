import { isAscii, isUtf8 } from 'node:buffer'
import { X509Certificate, type KeyObject } from 'node:crypto'
import { derChildren, derElements, type DerElement } from './der.ts'
import { Memo } from './memo.ts'
import { once } from './once.ts'
import { decodePem } from './pem.ts'
import { curveCoordinate, parseSpki } from './spki.ts'

/** A certificate as its bytes say; nothing about it is believed yet. */
export interface Certificate {
  /** Exactly as it stood in the PEM text. */
  readonly der: Buffer
  readonly key: KeyObject
  /** SubjectPublicKeyInfo. */
  readonly spki: Buffer
  /** The last common name of the subject, as Go reads it; undefined if there is none, or it is no plain text. */
  readonly commonName: string | undefined
  /** What the basic constraints say, whatever the key usage: Go's `IsCA`. Node's `.ca` looks at both. */
  readonly isCa: boolean
  /** Milliseconds since 1970. */
  readonly begins: number
  readonly ends: number
  /** Dotted. */
  readonly signatureAlgorithm: string | undefined
}

const SEQUENCE = 0x30
const SET = 0x31
const VERSION = 0xa0
const EXTENSIONS = 0xa3
const UTF8_STRING = 0x0c
/** PrintableString and IA5String. */
const ASCII_STRINGS: readonly number[] = [0x13, 0x16]
/** 2.5.4.3 */
const COMMON_NAME = Buffer.from('550403', 'hex')
/** 2.5.29.19 */
const BASIC_CONSTRAINTS = Buffer.from('551d13', 'hex')
const TRUE = Buffer.from('ff', 'hex')

/** Bundles that are kept read. Broken ones are not kept. */
const bundles = new Memo<Certificate[] | undefined>(1_000)

/**
 * The certificates of a key: a PEM text of certificates only.
 *
 * @param key its `public` is that text in base64
 * @returns undefined if it is anything else
 */
export const certificatesOf = once((key: { readonly public: string }): readonly Certificate[] | undefined =>
  bundles.get(key.public, () => parseCertificateBundle(Buffer.from(key.public, 'base64'))),
)

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
 * Names and constraints are read here, from the DER: Node's `.subject` is text for people, and its `toLegacyObject()`
 * ends the process (Node 24.21) on a certificate whose key it cannot show, which anybody can upload.
 */
function parseCertificate(der: Buffer): Certificate | undefined {
  const outer = derElements(der)
  const certificate = outer?.length === 1 ? derChildren(outer[0], SEQUENCE) : undefined
  const body = derChildren(certificate?.[0], SEQUENCE)
  if (certificate === undefined || body === undefined) return undefined
  const [, algorithm, , , subject, publicKey] = body[0]?.tag === VERSION ? body.slice(1) : body
  const names = derChildren(subject, SEQUENCE)
  const spki = publicKey?.bytes
  const isCa = readIsCa(body)
  if (names === undefined || spki === undefined || isCa === undefined) return undefined
  // As in Go: what is signed and what is beside it name the same algorithm.
  if (algorithm === undefined || certificate[1]?.bytes.equals(algorithm.bytes) !== true) return undefined
  const x509 = readX509(der)
  const key = x509 === undefined ? undefined : readKey(x509, spki)
  if (x509 === undefined || key === undefined) return undefined
  return {
    der,
    key,
    spki,
    commonName: readCommonName(names),
    isCa,
    begins: x509.validFromDate.getTime(),
    ends: x509.validToDate.getTime(),
    signatureAlgorithm: x509.signatureAlgorithmOid,
  }
}

function readX509(der: Buffer): X509Certificate | undefined {
  try {
    const x509 = new X509Certificate(der)
    return x509.raw.equals(der) ? x509 : undefined
  } catch {
    return undefined
  }
}

/** A key on one of Go's curves has one form, and OpenSSL has read it with the certificate; others are read again, strictly. */
function readKey(x509: X509Certificate, spki: Buffer): KeyObject | undefined {
  if (curveCoordinate(spki) === undefined) return parseSpki(spki)
  try {
    return x509.publicKey
  } catch {
    // A point that is not on the curve.
    return undefined
  }
}

function readCommonName(names: readonly DerElement[]): string | undefined {
  const attributes = names.flatMap((set) => derChildren(set, SET) ?? []).map((item) => derChildren(item, SEQUENCE))
  const value = attributes.findLast((attribute) => attribute?.[0]?.content.equals(COMMON_NAME))?.[1]
  if (value === undefined) return undefined
  const plain = ASCII_STRINGS.includes(value.tag) ? isAscii(value.content) : value.tag === UTF8_STRING
  return plain && isUtf8(value.content) ? value.content.toString('utf8') : undefined
}

/** True or false as basic constraints say, false without them, undefined if they are not DER or stand there twice. */
function readIsCa(body: readonly DerElement[]): boolean | undefined {
  const wrapper = body.find(({ tag }) => tag === EXTENSIONS)
  if (wrapper === undefined) return false
  const list = derChildren(derChildren(wrapper, EXTENSIONS)?.[0], SEQUENCE)
  const found = list?.flatMap((extension) => {
    const members = derChildren(extension, SEQUENCE)
    return members?.[0]?.content.equals(BASIC_CONSTRAINTS) === true ? [members.at(-1)?.content] : []
  })
  if (found === undefined || found.length > 1) return undefined
  const value = found[0]
  if (value === undefined) return false
  const constraints = derElements(value)
  const members = constraints?.length === 1 ? derChildren(constraints[0], SEQUENCE) : undefined
  return members === undefined ? undefined : members[0]?.tag === 0x01 && members[0].content.equals(TRUE)
}
