import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, TrustError } from '../errors.ts'
import { makeSecretDirectory, writeFileAtomically } from './secret-file.ts'
import type { TlsIdentity } from './tls-issue.ts'

/** Files of an identity that was made here. */
interface TlsFiles {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

const DAY = 86_400_000
/** A server certificate with less than this left is made anew at start, by the same CA. */
const RENEW_DAYS = 30
/** A certificate begins so much before it was made: clocks differ. One that begins later is of a clock that was wrong. */
const AHEAD = DAY
const OWN_FILES = 'check the settings tls.certificateFile and tls.keyFile'

export function tlsFiles(keysDirectory: string): TlsFiles {
  const at = (name: string): string => join(keysDirectory, 'tls', name)
  return { ca: at('ca.crt'), certificate: at('server.crt'), key: at('server.key') }
}

/**
 * Make what is missing of a TLS identity: a CA, and a P-256 server certificate for localhost, 127.0.0.1, ::1 and the
 * host's name. The certificate is renewed before its end, or if it was made when the clock was ahead; the CA, which
 * clients were given, stays.
 *
 * @param now milliseconds since 1970
 * @returns what was made, in words
 * @throws TrustError BAD_TLS if the CA is no longer valid, or not yet
 */
export async function ensureTlsIdentity(keysDirectory: string, now: number): Promise<string[]> {
  const files = tlsFiles(keysDirectory)
  const caKeyFile = join(keysDirectory, 'tls', 'ca.key')
  await makeSecretDirectory(join(keysDirectory, 'tls'))
  const made: string[] = []
  // The X.509 library is loaded only when there is something to issue: starts are quicker without it.
  if (!existsSync(files.ca)) {
    const { makeCa } = await import('./tls-issue.ts')
    const ca = await makeCa(now)
    await writeFileAtomically(caKeyFile, ca.key, 0o600)
    await writeFileAtomically(files.ca, ca.cert, 0o644)
    made.push('a TLS CA')
  } else await caMustBeValid(files.ca, now)
  if (made.length > 0 || !existsSync(files.certificate) || (await mustBeMadeAnew(files.certificate, now))) {
    const again = `put it back; or remove ${files.ca}: a new CA is made then, which clients must be given`
    const [caText, caKey] = await Promise.all([readTls(files.ca, again), readTls(caKeyFile, again)])
    const { makeServer } = await import('./tls-issue.ts')
    const server = await makeServer(caText, caKey, now)
    await writeFileAtomically(files.key, server.key, 0o600)
    await writeFileAtomically(files.certificate, server.cert, 0o644)
    made.push('a server certificate')
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
  if (validFromDate.getTime() > now + AHEAD) {
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

async function readTls(path: string, hint = OWN_FILES): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw fileError('BAD_TLS', `cannot read ${path}`, cause, hint)
  }
}

/** @throws TrustError BAD_TLS; what cannot be read is told when it is needed */
async function caMustBeValid(path: string, now: number): Promise<void> {
  const ca = await certificateIn(path)
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

async function mustBeMadeAnew(path: string, now: number): Promise<boolean> {
  const certificate = await certificateIn(path)
  if (certificate === undefined || certificate.validFromDate.getTime() > now + AHEAD) return true
  return certificate.validToDate.getTime() < now + RENEW_DAYS * DAY
}

/** @returns undefined if there is none that can be read */
async function certificateIn(path: string): Promise<X509Certificate | undefined> {
  try {
    return new X509Certificate(await readFile(path))
  } catch {
    return undefined
  }
}
