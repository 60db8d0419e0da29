import { TrustError } from '../../errors.ts'
import { decodePem, encodePem } from '../asn1/pem.ts'
import { ED25519_KEY_BYTES, parseSpki } from '../asn1/spki.ts'
import { certificatesOf, type Certificate } from '../asn1/x509.ts'
import { isSoundDelegationKey } from './certificate.ts'
import type { PublicKey } from './key.ts'
import { canVerify } from './signature.ts'

/** Header lines that docker and notary write into a block: `role: alice`. */
const HEADERS = /^(-----BEGIN [^\n]+-----\r?\n)(?:\w[\w-]*: [^\n]*\n)+\r?\n/m

/**
 * Reads a delegate's public key from a file: a PEM public key (`docker trust key generate`, `countersign signer show`) or
 * a certificate, which metadata then carries as a certificate key (wire spec §11.2).
 *
 * @param text PEM, one block
 * @param now milliseconds since 1970; as in docker, an expired certificate is refused
 * @throws TrustError INVALID_PARAMETERS
 */
export function readPublicKey(text: string, now: number): PublicKey {
  const blocks = decodePem(Buffer.from(`${text.trim().replace(HEADERS, '$1')}\n`))
  const [block] = blocks ?? []
  if (block === undefined || blocks?.length !== 1)
    return refuse('a public key is a single PEM block, with nothing else')
  if (block.label.endsWith('PRIVATE KEY')) return refuse('this is a private key: nobody but its owner may have it')
  const key = block.label === 'CERTIFICATE' ? ofCertificate(block.bytes, now) : ofSpki(block.bytes)
  if (key !== undefined && canVerify(key)) return key
  return refuse(`no client verifies with this ${block.label.slice(0, 40)}`)
}

function ofCertificate(der: Buffer, now: number): PublicKey | undefined {
  const bytes = encodePem([{ label: 'CERTIFICATE', bytes: der }]).toString('base64')
  const certificate = certificatesOf({ public: bytes })?.[0]
  if (certificate === undefined) return undefined
  if (certificate.ends < now) return refuse('the certificate has ended')
  const key = { keytype: `${algorithmOf(certificate)}-x509`, public: bytes }
  return isSoundDelegationKey(key) ? key : undefined
}

function algorithmOf({ key }: Certificate): string {
  return key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ecdsa'
}

function ofSpki(der: Buffer): PublicKey | undefined {
  const type = parseSpki(der)?.asymmetricKeyType
  if (type === 'ed25519') return { keytype: type, public: der.subarray(-ED25519_KEY_BYTES).toString('base64') }
  if (type !== 'ec' && type !== 'rsa') return undefined
  return { keytype: type === 'ec' ? 'ecdsa' : 'rsa', public: der.toString('base64') }
}

function refuse(message: string): never {
  throw new TrustError('INVALID_PARAMETERS', message, {
    hint: 'docker trust key generate NAME makes a key, and NAME.pub, which has its public half',
  })
}
