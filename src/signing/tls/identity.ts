import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { TrustError } from '../../errors.ts'
import { makeSecretDirectory, writeFileAtomically } from '../secret-file.ts'
import { START_LEEWAY, loadTls, readTls } from './load.ts'

/** Paths of the TLS identity that the server makes for itself. */
interface TlsFiles {
  readonly ca: string
  readonly caKey: string
  readonly certificate: string
  readonly key: string
}

const DAY = 86_400_000
/**
 * A server certificate with fewer days left is replaced by one of the same CA, unless the CA expires too. That is well
 * before people are warned of what ends: then, only certificates that need them are left.
 */
export const RENEW_DAYS = 90

/** Returns the paths of the TLS identity that a server makes for itself. */
export function tlsFiles(keysDirectory: string): TlsFiles {
  const at = (name: string): string => join(keysDirectory, 'tls', name)
  return { ca: at('ca.crt'), caKey: at('ca.key'), certificate: at('server.crt'), key: at('server.key') }
}

/**
 * Makes the missing parts of a TLS identity: a CA, and a P-256 server certificate for localhost, 127.0.0.1, ::1 and the
 * host's name. Never replaces a CA, which clients have been given.
 *
 * @param hosts further names and addresses for the certificate
 * @param now milliseconds since 1970
 * @returns what was made, in words
 * @throws TrustError BAD_TLS if the CA is no longer valid, or not yet
 */
export async function ensureTlsIdentity(
  keysDirectory: string,
  hosts: readonly string[],
  now: number,
): Promise<string[]> {
  const files = tlsFiles(keysDirectory)
  await makeSecretDirectory(join(keysDirectory, 'tls'))
  const made: string[] = []
  if (!existsSync(files.ca)) {
    const { makeCa } = await import('./issue.ts')
    const ca = await makeCa(now)
    await writeFileAtomically(files.caKey, ca.key, 0o600)
    await writeFileAtomically(files.ca, ca.cert, 0o644)
    made.push('a TLS CA')
  }
  const ca = await readCa(files, now)
  const found = await certificateIn(files)
  const isGood = made.length === 0 && found !== undefined && (await isStillUsable(files, found, ca, hosts, now))
  if (isGood && !endsSoon(found, ca, now)) return made
  try {
    await issue(files, ca, hosts, now)
  } catch (error) {
    // The old one can be served until it expires; the loop that renews certificates will report the error.
    if (isGood) return made
    throw error
  }
  return [...made, 'a server certificate']
}

/**
 * Replaces the certificate of a running server if it expires soon or is not valid yet, with the existing CA. Leaves all
 * other faults alone: somebody may be writing the file at this moment.
 *
 * @param hosts names and addresses for the certificate
 * @param now milliseconds since 1970
 * @throws TrustError BAD_TLS if the CA cannot be read, is no longer valid, or not yet
 */
export async function renewServerCertificate(
  keysDirectory: string,
  hosts: readonly string[],
  now: number,
): Promise<void> {
  const files = tlsFiles(keysDirectory)
  const ca = await readCa(files, now)
  const found = await certificateIn(files)
  if (found === undefined || !isOf(ca, found)) return
  // One that is not valid yet was made while the clock was ahead.
  if (endsSoon(found, ca, now) || found.validFromDate.getTime() > now + START_LEEWAY) await issue(files, ca, hosts, now)
}

/** True for a certificate to keep: one of another CA, or one of ours that covers all hosts and loads with its key. */
async function isStillUsable(
  files: TlsFiles,
  found: X509Certificate,
  ca: string,
  hosts: readonly string[],
  now: number,
): Promise<boolean> {
  if (!isOf(ca, found)) return true
  if (!hosts.every((host) => isFor(found, host))) return false
  return (await loadTls(files.certificate, files.key, now).catch(() => undefined)) !== undefined
}

/** True if the CA issued the certificate, or if it cannot be read, so that nobody can tell. */
function isOf(ca: string, certificate: X509Certificate): boolean {
  const issuer = parsed(ca)
  return issuer === undefined || certificate.verify(issuer.publicKey)
}

/** True if our CA issued it, it expires soon, and a new one would be valid longer. */
function endsSoon(found: X509Certificate, ca: string, now: number): boolean {
  const end = found.validToDate.getTime()
  return isOf(ca, found) && end < now + RENEW_DAYS * DAY && end < (parsed(ca)?.validToDate.getTime() ?? Infinity)
}

function isFor(certificate: X509Certificate, host: string): boolean {
  // Without wildcards: clients differ in how they match them, OpenSSL from Go too.
  const found = isIP(host) === 0 ? certificate.checkHost(host, { wildcards: false }) : certificate.checkIP(host)
  return found !== undefined
}

async function issue(files: TlsFiles, ca: string, hosts: readonly string[], now: number): Promise<void> {
  const caKey = await readTls(files.caKey, putBack(files))
  // The X.509 library is loaded only to issue something: starts are faster without it.
  const { caSigningKey, makeServer } = await import('./issue.ts')
  if (parsed(ca) === undefined) throw unusable(files.ca, files)
  const signingKey = await caSigningKey(caKey).catch((cause: unknown) => {
    throw unusable(files.caKey, files, cause)
  })
  const server = await makeServer(ca, signingKey, hosts, now)
  await writeFileAtomically(files.key, server.key, 0o600)
  await writeFileAtomically(files.certificate, server.cert, 0o644)
}

function unusable(path: string, files: TlsFiles, cause?: unknown): TrustError {
  return new TrustError('BAD_TLS', `${path} is damaged: no certificate can be issued`, { hint: putBack(files), cause })
}

function putBack({ ca }: TlsFiles): string {
  return `put it back; or remove ${ca}: the next start makes a new CA, which clients must be given`
}

/** Reads the CA. @throws TrustError BAD_TLS if it is not valid now. If it is damaged, `issue` throws when it needs it */
async function readCa(files: TlsFiles, now: number): Promise<string> {
  const { ca: path } = files
  const text = await readTls(path, putBack(files))
  const ca = parsed(text)
  const again = `remove ${dirname(path)} and start again: a new CA is made, which clients must be given`
  if (ca !== undefined && ca.validToDate.getTime() < now) {
    throw new TrustError('BAD_TLS', `the CA in ${path} expired at ${ca.validToDate.toISOString()}`, { hint: again })
  }
  if (ca !== undefined && ca.validFromDate.getTime() > now + START_LEEWAY) {
    throw new TrustError('BAD_TLS', `the CA in ${path} is valid from ${ca.validFromDate.toISOString()}`, {
      hint: `check the clock; if it was wrong when the CA was made, ${again}`,
    })
  }
  return text
}

async function certificateIn({ certificate }: TlsFiles): Promise<X509Certificate | undefined> {
  return parsed(await readFile(certificate, 'utf8').catch(() => ''))
}

/** Parses a certificate. @returns undefined if it is none, or if its key cannot be read */
function parsed(pem: string): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pem)
    return certificate.publicKey && certificate
  } catch {
    return undefined
  }
}
