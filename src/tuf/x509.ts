import { X509Certificate } from 'node:crypto'
import { derChildren, derElements } from './der.ts'
import { decodePem } from './pem.ts'

/** A certificate as its bytes say; nothing about it is believed yet. */
export interface Certificate {
  readonly x509: X509Certificate
  /** Exactly as it stood in the PEM text. */
  readonly der: Buffer
  /** What the basic constraints say, whatever the key usage: Go's `IsCA`. Node's `.ca` looks at both. */
  readonly isCa: boolean
}

/** Parse a PEM text of certificates only. @returns undefined if it is anything else */
export function parseCertificateBundle(pem: Uint8Array): Certificate[] | undefined {
  const certificates: Certificate[] = []
  for (const { label, bytes } of decodePem(pem) ?? []) {
    const certificate = label === 'CERTIFICATE' ? parseCertificate(bytes) : undefined
    if (certificate === undefined) return undefined
    certificates.push(certificate)
  }
  return certificates.length === 0 ? undefined : certificates
}

function parseCertificate(der: Buffer): Certificate | undefined {
  const isCa = readIsCa(der)
  if (isCa === undefined) return undefined
  try {
    const x509 = new X509Certificate(der)
    // Loads the key: one of an unknown algorithm or off its curve makes the certificate useless, here as in Go.
    void x509.publicKey
    return x509.raw.equals(der) ? { x509, der, isCa } : undefined
  } catch {
    return undefined
  }
}

const SEQUENCE = 0x30
const EXTENSIONS = 0xa3
/** 2.5.29.19 */
const BASIC_CONSTRAINTS = Buffer.from('551d13', 'hex')
const TRUE = Buffer.from('ff', 'hex')

/** True or false as basic constraints say, false without them, undefined if this is no certificate in DER. */
function readIsCa(der: Buffer): boolean | undefined {
  const outer = derElements(der)
  const certificate = outer?.length === 1 ? derChildren(outer[0], SEQUENCE) : undefined
  const body = derChildren(certificate?.[0], SEQUENCE)
  if (body === undefined) return undefined
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
  if (members === undefined) return undefined
  return members[0]?.tag === 0x01 && members[0].content.equals(TRUE)
}
