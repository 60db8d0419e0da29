import { createPrivateKey, createPublicKey, sign, verify, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { fileError, TrustError } from '../../errors.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import type { TlsIdentity } from './issue.ts'

/** How far in the future a certificate's start may lie, in milliseconds: a day, since clocks differ. */
export const START_LEEWAY = 86_400_000
const OWN_FILES = 'check the settings tls.certificateFile and tls.keyFile'

/**
 * Reads certificate and key, and checks that they can be served.
 *
 * @param now milliseconds since 1970
 * @throws TrustError BAD_TLS with a hint what to do; there is no fallback to plain HTTP
 */
export async function loadTls(certificateFile: string, keyFile: string, now: number): Promise<TlsIdentity> {
  const [cert, key] = await Promise.all([readTls(certificateFile), readTls(keyFile)])
  const certificate = certificateOf(cert, certificateFile)
  const privateKey = keyOf(key, keyFile)
  if (!createPublicKey(privateKey).equals(certificate.publicKey)) {
    throw new TrustError('BAD_TLS', `the key in ${keyFile} does not belong to the certificate in ${certificateFile}`, {
      hint: 'the certificate of the server itself comes first in its file, then those that issued it',
    })
  }
  if (!signs(privateKey, certificate.publicKey)) {
    throw new TrustError('BAD_TLS', `the key in ${keyFile} is damaged: it does not sign`, { hint: OWN_FILES })
  }
  const { validFromDate, validToDate } = certificate
  if (validToDate.getTime() < now) {
    throw new TrustError('BAD_TLS', `the certificate in ${certificateFile} expired at ${validToDate.toISOString()}`, {
      hint: 'put a new certificate there',
    })
  }
  if (validFromDate.getTime() > now + START_LEEWAY) {
    const from = validFromDate.toISOString()
    throw new TrustError('BAD_TLS', `the certificate in ${certificateFile} is valid from ${from}`, {
      hint: 'check the clock',
    })
  }
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new TrustError(
      'BAD_TLS',
      `OpenSSL refuses the certificate in ${certificateFile}: ${(cause as Error).message}`,
      {
        hint: 'have it reissued for a longer key',
        cause,
      },
    )
  }
  return { cert, key }
}

/** True if the key makes valid signatures. Its file has the public half too, so only this detects a damaged private half. */
function signs(key: KeyObject, publicKey: KeyObject): boolean {
  const message = Buffer.from('countersign')
  try {
    return verify(undefined, message, publicKey, sign(undefined, message, key))
  } catch {
    return false
  }
}

/** Reads a TLS file. @throws TrustError BAD_TLS */
export async function readTls(path: string, hint = OWN_FILES): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw fileError('BAD_TLS', `cannot read ${path}`, cause, hint)
  }
}

function certificateOf(pem: string, path: string): X509Certificate {
  try {
    const certificate = new X509Certificate(pem)
    // Node reads the key only on access, and throws there.
    return certificate.publicKey && certificate
  } catch (cause) {
    throw new TrustError('BAD_TLS', `${path} is not a PEM certificate, or is damaged`, { hint: OWN_FILES, cause })
  }
}

function keyOf(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new TrustError('BAD_TLS', `${path} is not an unencrypted PEM private key`, {
      hint: `if it is encrypted: openssl pkey -in ${shellQuoted(path)} -out FILE`,
      cause,
    })
  }
}
