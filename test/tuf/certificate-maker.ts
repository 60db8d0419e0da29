import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** Makes certificates with any fault for the tests of their reader; writes each byte, since no library makes faulty ones. */

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export interface CertificateParts {
  readonly keys: KeyPair
  /** Common names of the subject, in order. */
  readonly names: readonly string[]
  /** RFC 3339. */
  readonly begins?: string
  readonly ends?: string
  /** Basic constraints; undefined: the extension is left out. */
  readonly ca?: boolean
  /** DER of a key usage BIT STRING's content, hex. */
  readonly keyUsage?: string
  readonly signatureOid?: string
  /** The algorithm beside the signature, which should equal the signed one. */
  readonly outerOid?: string
  /** Replaces the public key, DER. */
  readonly spki?: Buffer
  /** Further extensions, DER in hex. */
  readonly more?: readonly string[]
  /** Replaces fields of the signed part, DER in hex; an empty string leaves the field out. */
  readonly fields?: Partial<Record<Field, string>>
}

/** The fields of the signed part, in order. */
const FIELDS = ['version', 'serial', 'algorithm', 'issuer', 'validity', 'subject', 'key', 'extensions'] as const
type Field = (typeof FIELDS)[number]

export const ECDSA_SHA256 = '06082a8648ce3d040302'
export const ECDSA_SHA1 = '06072a8648ce3d0401'

export function ecKeys(namedCurve = 'P-256'): KeyPair {
  return generateKeyPairSync('ec', { namedCurve })
}

export function makeCertificate(parts: CertificateParts): Buffer {
  const algorithm = der(0x30, Buffer.from(parts.signatureOid ?? ECDSA_SHA256, 'hex'))
  const subject = der(0x30, ...parts.names.map(commonName))
  const validity = der(0x30, time(parts.begins ?? '2026-01-01T00:00:00Z'), time(parts.ends ?? '2036-01-01T00:00:00Z'))
  const spki = parts.spki ?? parts.keys.publicKey.export({ type: 'spki', format: 'der' })
  const fields: Record<Field, Buffer> = {
    version: der(0xa0, der(0x02, Buffer.from([2]))),
    serial: der(0x02, Buffer.from([7])),
    algorithm,
    issuer: der(0x30, commonName('issuer')),
    validity,
    subject,
    key: spki,
    extensions: extensions(parts),
  }
  const body = der(
    0x30,
    ...FIELDS.map((name) =>
      parts.fields?.[name] === undefined ? fields[name] : Buffer.from(parts.fields[name], 'hex'),
    ),
  )
  const signature = sign('sha256', body, parts.keys.privateKey)
  const outer = parts.outerOid === undefined ? algorithm : der(0x30, Buffer.from(parts.outerOid, 'hex'))
  return der(0x30, body, outer, der(0x03, Buffer.from([0]), signature))
}

/** PEM as Go writes it. */
export function pemOf(...certificates: readonly Buffer[]): string {
  return certificates
    .map((bytes) => {
      const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    })
    .join('')
}

export function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const header =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(header), content])
}

function commonName(name: string): Buffer {
  return der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(name))))
}

function time(text: string): Buffer {
  const digits = new Date(text).toISOString().replace(/\.\d+|[-:T]/g, '')
  return Number(digits.slice(0, 4)) < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits))
}

function extensions({ ca, keyUsage, more = [] }: CertificateParts): Buffer {
  const list: Buffer[] = more.map((extension) => Buffer.from(extension, 'hex'))
  const critical = Buffer.from('0101ff', 'hex')
  if (keyUsage !== undefined) {
    const usage = der(0x04, der(0x03, Buffer.from(keyUsage, 'hex')))
    list.push(der(0x30, Buffer.from('0603551d0f', 'hex'), critical, usage))
  }
  if (ca !== undefined) {
    const constraints = der(0x04, ca ? der(0x30, critical) : der(0x30))
    list.push(der(0x30, Buffer.from('0603551d13', 'hex'), critical, constraints))
  }
  return list.length === 0 ? Buffer.alloc(0) : der(0xa3, der(0x30, ...list))
}
