import { randomBytes, sign, type KeyObject } from 'node:crypto'

/** The content of a certificate, with every flaw that a test may need. */
export interface CertificateWish {
  readonly commonName: string
  readonly publicKey: KeyObject
  /** Signs the certificate: the subject's own private key, or an issuer's. */
  readonly signer: KeyObject
  /** The issuer's common name; the subject's own by default. */
  readonly issuer?: string
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  /** True: a certificate authority. */
  readonly ca?: boolean
  /** True: does not say what its key may be used for. */
  readonly anyUse?: boolean
  readonly digest?: 'sha256' | 'sha1'
  /** True: for TLS clients. */
  readonly clientAuth?: boolean
  /** Host names and IPv4 addresses, for TLS. */
  readonly hosts?: readonly string[]
}

const OIDS = {
  commonName: '550403',
  basicConstraints: '551d13',
  keyUsage: '551d0f',
  extendedKeyUsage: '551d25',
  alternativeNames: '551d11',
  codeSigning: '2b06010505070303',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
  'ec-sha256': '2a8648ce3d040302',
  'ec-sha1': '2a8648ce3d0401',
  'rsa-sha256': '2a864886f70d01010b',
  'rsa-sha1': '2a864886f70d010105',
} as const

/** Issues an X.509 certificate, as PEM with 64 columns and LF, as Go writes it. */
export function issueCertificate(wish: CertificateWish): string {
  const digest = wish.digest ?? 'sha256'
  const type = wish.signer.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'
  const algorithm = sequence(oid(OIDS[`${type}-${digest}`]), ...(type === 'rsa' ? [der(0x05)] : []))
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(randomBytes(16)),
    algorithm,
    name(wish.issuer ?? wish.commonName),
    sequence(time(wish.notBefore), time(wish.notAfter)),
    name(wish.commonName),
    wish.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(wish))),
  )
  const certificate = sequence(body, algorithm, bits(sign(digest, body, wish.signer)))
  return pem('CERTIFICATE', certificate)
}

export function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function extensions(wish: CertificateWish): Buffer[] {
  const name = wish.clientAuth === true ? 'clientAuth' : wish.hosts === undefined ? 'codeSigning' : 'serverAuth'
  const purpose = oid(OIDS[name])
  const list = [
    extension(OIDS.basicConstraints, sequence(...(wish.ca === true ? [der(0x01, Buffer.from([0xff]))] : []))),
  ]
  // digitalSignature and keyEncipherment, or certificate signing for an authority.
  const usage = der(0x03, Buffer.from(wish.ca === true ? [2, 0x04] : [5, 0xa0]))
  if (wish.anyUse !== true) list.push(extension(OIDS.keyUsage, usage))
  if (wish.ca !== true) list.push(extension(OIDS.extendedKeyUsage, sequence(purpose)))
  if (wish.hosts !== undefined) {
    const names = wish.hosts.map((host) =>
      /^[0-9.]+$/.test(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host)),
    )
    list.push(extension(OIDS.alternativeNames, sequence(...names)))
  }
  return list
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), der(0x04, value))
}

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(OIDS.commonName), der(0x0c, Buffer.from(commonName)))))
}

function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  return text < '2050' ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}

function integer(bytes: Buffer): Buffer {
  const positive = Buffer.from(bytes)
  positive[0] = (positive[0] ?? 0) & 0x7f || 0x01
  return der(0x02, positive)
}

function bits(bytes: Buffer): Buffer {
  return der(0x03, Buffer.concat([Buffer.from([0]), bytes]))
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
