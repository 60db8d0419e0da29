import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TrustError } from '../errors.ts'
import { makeSecretDirectory, writeFileAtomically } from './secret-file.ts'
import { AHEAD, loadTls, readTls } from './tls-load.ts'

/** Files of an identity that was made here. */
interface TlsFiles {
  readonly ca: string
  readonly caKey: string
  readonly certificate: string
  readonly key: string
}

const DAY = 86_400_000
/** A server certificate with less than this left is made anew, by the same CA. */
const RENEW_DAYS = 30

export function tlsFiles(keysDirectory: string): TlsFiles {
  const at = (name: string): string => join(keysDirectory, 'tls', name)
  return { ca: at('ca.crt'), caKey: at('ca.key'), certificate: at('server.crt'), key: at('server.key') }
}

/**
 * Make what is missing of a TLS identity: a CA, and a P-256 server certificate for localhost, 127.0.0.1, ::1 and the
 * host's name. The CA, which clients were given, stays.
 *
 * @param now milliseconds since 1970
 * @returns what was made, in words
 * @throws TrustError BAD_TLS if the CA is no longer valid, or not yet
 */
export async function ensureTlsIdentity(keysDirectory: string, now: number): Promise<string[]> {
  const files = tlsFiles(keysDirectory)
  await makeSecretDirectory(join(keysDirectory, 'tls'))
  const made: string[] = []
  if (!existsSync(files.ca)) {
    // The X.509 library is loaded only when there is something to issue: starts are quicker without it.
    const { makeCa } = await import('./tls-issue.ts')
    const ca = await makeCa(now)
    await writeFileAtomically(files.caKey, ca.key, 0o600)
    await writeFileAtomically(files.ca, ca.cert, 0o644)
    made.push('a TLS CA')
  }
  if (await renewServerCertificate(keysDirectory, now, made.length > 0)) made.push('a server certificate')
  return made
}

/**
 * Make the server's certificate anew, by the CA that is there: before its end, if it was made while the clock was ahead, or
 * if a crash left it without its key. One that another CA issued was put there by somebody, and stays.
 *
 * @param now milliseconds since 1970
 * @param inAnyCase its CA is there no more
 * @returns whether it was made
 * @throws TrustError BAD_TLS if the CA cannot be read, is no longer valid, or not yet
 */
export async function renewServerCertificate(keysDirectory: string, now: number, inAnyCase = false): Promise<boolean> {
  const files = tlsFiles(keysDirectory)
  const again = `put it back; or remove ${files.ca}: the next start makes a new CA, which clients must be given`
  const ca = await readTls(files.ca, again)
  caMustBeValid(parsed(ca), files.ca, now)
  if (!inAnyCase && !(await mustBeMadeAnew(files, parsed(ca), now))) return false
  const caKey = await readTls(files.caKey, again)
  const { makeServer } = await import('./tls-issue.ts')
  const server = await makeServer(ca, caKey, now)
  await writeFileAtomically(files.key, server.key, 0o600)
  await writeFileAtomically(files.certificate, server.cert, 0o644)
  return true
}

/** @param ca undefined: not a certificate, which is told when it is needed @throws TrustError BAD_TLS */
function caMustBeValid(ca: X509Certificate | undefined, path: string, now: number): void {
  if (ca === undefined) return
  const again = `remove ${dirname(path)} and start again: a new CA is made, which clients must be given`
  if (ca.validToDate.getTime() < now) {
    throw new TrustError('BAD_TLS', `the CA in ${path} ended at ${ca.validToDate.toISOString()}`, { hint: again })
  }
  if (ca.validFromDate.getTime() > now + AHEAD) {
    throw new TrustError('BAD_TLS', `the CA in ${path} is valid from ${ca.validFromDate.toISOString()}`, {
      hint: `check the clock; if it was wrong when the CA was made, ${again}`,
    })
  }
}

async function mustBeMadeAnew(files: TlsFiles, ca: X509Certificate | undefined, now: number): Promise<boolean> {
  const certificate = parsed(await readFile(files.certificate, 'utf8').catch(() => ''))
  if (certificate === undefined) return true
  if (ca !== undefined && !certificate.verify(ca.publicKey)) return false
  if (certificate.validToDate.getTime() < now + RENEW_DAYS * DAY) return true
  const served = await loadTls(files.certificate, files.key, now).catch(() => undefined)
  return served === undefined
}

/** @returns undefined if it is no certificate */
function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}
