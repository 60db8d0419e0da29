import * as x509 from '@peculiar/x509'
import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from 'node:crypto'
import { access, mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { TrustError } from '../errors.ts'
import { writeFileAtomically } from './secret-file.ts'

/** PEM texts, as Node's TLS takes them. */
export interface TlsIdentity {
  /** The server's certificate, then those that issued it. */
  readonly cert: string
  readonly key: string
}

/** Files of an identity that was made here. */
export interface TlsFiles {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000
const CA_DAYS = 3650
/** Clients of Apple refuse longer ones. */
const SERVER_DAYS = 825
/** A server certificate with less than this left is made anew at start, by the same CA. */
const RENEW_DAYS = 30

x509.cryptoProvider.set(globalThis.crypto)

export function tlsFiles(keysDirectory: string): TlsFiles {
  const at = (name: string): string => join(keysDirectory, 'tls', name)
  return { ca: at('ca.crt'), certificate: at('server.crt'), key: at('server.key') }
}

/**
 * Make what is missing of a TLS identity: a CA, and a P-256 server certificate for localhost, 127.0.0.1, ::1 and the
 * host's name. The certificate is renewed before its end; the CA, which clients were given, stays.
 *
 * @param now milliseconds since 1970
 * @returns what was made
 */
export async function ensureTlsIdentity(keysDirectory: string, now: number): Promise<('ca' | 'certificate')[]> {
  const files = tlsFiles(keysDirectory)
  const caKeyFile = join(keysDirectory, 'tls', 'ca.key')
  await mkdir(join(keysDirectory, 'tls'), { recursive: true, mode: 0o700 })
  const made: ('ca' | 'certificate')[] = []
  if (!(await exists(files.ca))) {
    const ca = await makeCa(now)
    await writeFileAtomically(caKeyFile, ca.key, 0o600)
    await writeFileAtomically(files.ca, ca.cert, 0o644)
    made.push('ca')
  }
  if (
    made.length > 0 ||
    !(await exists(files.certificate)) ||
    (await endOf(files.certificate)) < now + RENEW_DAYS * DAY
  ) {
    const [caText, caKey] = await Promise.all([readFile(files.ca, 'utf8'), readFile(caKeyFile, 'utf8')])
    const server = await makeServer(caText, caKey, now)
    await writeFileAtomically(files.key, server.key, 0o600)
    await writeFileAtomically(files.certificate, server.cert, 0o644)
    made.push('certificate')
  }
  return made
}

/**
 * Read certificate and key and check that they can be served.
 *
 * @param now milliseconds since 1970
 * @throws TrustError BAD_TLS with what to do; there is no falling back to plain HTTP
 */
export async function loadTls(certificateFile: string, keyFile: string, now: number): Promise<TlsIdentity> {
  const [cert, key] = await Promise.all([readTls(certificateFile), readTls(keyFile)])
  let certificate: X509Certificate
  let privateKey
  try {
    certificate = new X509Certificate(cert)
  } catch (cause) {
    throw new TrustError('BAD_TLS', `${certificateFile} is not a PEM certificate`, { cause })
  }
  try {
    privateKey = createPrivateKey(key)
  } catch (cause) {
    throw new TrustError('BAD_TLS', `${keyFile} is not an unencrypted PEM private key`, { cause })
  }
  if (!createPublicKey(privateKey).equals(certificate.publicKey)) {
    throw new TrustError('BAD_TLS', `the key in ${keyFile} does not belong to the certificate in ${certificateFile}`)
  }
  const { validFromDate, validToDate } = certificate
  if (validToDate.getTime() < now) {
    throw new TrustError('BAD_TLS', `the certificate in ${certificateFile} expired at ${validToDate.toISOString()}`, {
      hint: 'put a new certificate there',
    })
  }
  if (validFromDate.getTime() > now + DAY) {
    throw new TrustError(
      'BAD_TLS',
      `the certificate in ${certificateFile} is valid from ${validFromDate.toISOString()}`,
      {
        hint: 'check the clock',
      },
    )
  }
  return { cert, key }
}

async function makeCa(now: number): Promise<TlsIdentity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`Countersign CA ${hostname()}`] }],
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + CA_DAYS * DAY),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey) }
}

async function makeServer(caText: string, caKeyText: string, now: number): Promise<TlsIdentity> {
  const ca = new x509.X509Certificate(caText)
  const caDer = createPrivateKey(caKeyText).export({ format: 'der', type: 'pkcs8' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', new Uint8Array(caDer), ALGORITHM, false, ['sign'])
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = [...new Set(['localhost', hostname()])].map((value) => ({ type: 'dns' as const, value }))
  const addresses = ['127.0.0.1', '::1'].map((value) => ({ type: 'ip' as const, value }))
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: ['localhost'] }],
    issuer: ca.subjectName,
    notBefore: new Date(now - DAY),
    notAfter: new Date(Math.min(now + SERVER_DAYS * DAY, ca.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([...names, ...addresses]),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n${caText}`, key: await pemOf(keys.privateKey) }
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString()
}

async function readTls(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new TrustError('BAD_TLS', `cannot read ${path}`, {
      hint: 'check the settings tls.certificateFile and tls.keyFile',
      cause,
    })
  }
}

async function endOf(path: string): Promise<number> {
  try {
    return new X509Certificate(await readFile(path)).validToDate.getTime()
  } catch {
    return 0
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
