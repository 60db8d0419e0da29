/**
 * Returns the PEM certificates in a text, which may hold other things, too. Includes truncated ones, since a file may be
 * half written; `X509Certificate` refuses those.
 */
export function pemCertificates(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----(?:[^-]*-----END CERTIFICATE-----)?/g) ?? []
}
