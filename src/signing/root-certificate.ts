import { createPublicKey, randomBytes, webcrypto, type KeyObject } from 'node:crypto'
import type { PublicKey } from '../tuf/keys/key.ts'
import { x509Library } from './x509-library.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000
/** As in Notary's clients. */
const ROOT_CERTIFICATE_DAYS = 3652
const SERIAL_BYTES = 16
/** The library takes quoted text for the whole name, and the text after a `#` for its bytes. */
const READ_OTHERWISE = /["#]/

/**
 * Issues the self-signed certificate by which root metadata names a root key, as Notary's clients make them.
 *
 * @param key private, P-256
 * @param commonName the GUN, or a prefix and `*` for all below it (wire spec §6.2)
 * @param now milliseconds since 1970
 */
export async function issueRootCertificate(key: KeyObject, commonName: string, now: number): Promise<PublicKey> {
  const x509 = await x509Library()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: randomBytes(SERIAL_BYTES)
        .toString('hex')
        .replace(/^[89a-f]/, '7'),
      name: new x509.Name([
        READ_OTHERWISE.test(commonName) ? { CN: [{ utf8String: commonName }] } : { CN: [commonName] },
      ]),
      notBefore: new Date(now - DAY),
      notAfter: new Date(now + ROOT_CERTIFICATE_DAYS * DAY),
      signingAlgorithm: ALGORITHM,
      keys: {
        privateKey: key.toCryptoKey(ALGORITHM, false, ['sign']),
        publicKey: createPublicKey(key).toCryptoKey(ALGORITHM, true, ['verify']),
      },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
      ],
    },
    webcrypto,
  )
  const pem = `${certificate.toString('pem').trim()}\n`
  return { keytype: 'ecdsa-x509', public: Buffer.from(pem).toString('base64') }
}
