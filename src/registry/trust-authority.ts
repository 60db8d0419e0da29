import { X509Certificate } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { pemCertificates } from '../pem-certificates.ts'

/** Error codes of OpenSSL and Node for a bad server certificate. */
const FAULT = /^(?:CERT_|ERR_TLS_CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_|HOSTNAME_MISMATCH$)/

/**
 * Makes all requests of this thread trust certificates that these authorities signed, besides those trusted already.
 *
 * @param pem one or more certificates
 * @throws TrustError BAD_TLS if it holds no certificate, or one that cannot be read
 */
export function trustAuthority(pem: string): void {
  const certificates = pemCertificates(pem)
  if (certificates.length === 0) throw new TrustError('BAD_TLS', 'there is no PEM certificate of a CA')
  try {
    for (const certificate of certificates) new X509Certificate(certificate)
  } catch (cause) {
    throw new TrustError('BAD_TLS', 'the CA certificate cannot be read', { cause })
  }
  // Load TLS only here: most commands need no authority of their own.
  const tls = process.getBuiltinModule('node:tls')
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...certificates])
}

/** An error of `request`, of `fetch`, and of TLS, each the cause of the one before. */
type Untrusted = TrustError & { readonly cause: Error & { readonly cause: Error } }

/** True for an error of `request` that is due to an untrusted server certificate. */
export function isUntrusted(error: unknown): error is Untrusted {
  if (!(error instanceof TrustError) || !(error.cause instanceof Error)) return false
  const { cause } = error.cause
  return cause instanceof Error && 'code' in cause && FAULT.test(String(cause.code))
}

/**
 * Explains such an error.
 *
 * @param hint what to do if a private authority signed it
 * @returns undefined for any other error
 */
export function certificateFault(error: unknown, hint: string): TrustError | undefined {
  if (!isUntrusted(error)) return undefined
  // Node goes on to name command-line options of its own, which do not apply here.
  const [why] = error.cause.cause.message.split('; if the root CA')
  return new TrustError('REGISTRY', `${error.message}: its certificate is not trusted: ${why}`, {
    hint: `if a private CA issued it: ${hint}`,
    cause: error.cause,
  })
}
