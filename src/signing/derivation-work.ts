import { derChildren, derElements, INTEGER, SEQUENCE, type DerElement } from '../tuf/asn1/der.ts'

const CONSTRUCTED = 0x20
/** Bytes of an integer that a number holds. */
const NUMBER_BYTES = 6
/** Rounds, or N · r · p of scrypt: some seconds. Notary's clients ask for 2048, OpenSSL for 2^17 at most. */
const WORK_MAX = 2 ** 25

/**
 * True for an encrypted key (PKCS#8) whose passphrase would take no longer to try than somebody waits. The file says how
 * long that is, and a file may say hours: OpenSSL bounds the memory that this takes, not the time.
 *
 * @param der EncryptedPrivateKeyInfo; all integers in its algorithm are factors of the work: rounds, N, r, p
 */
export function isTriedSoon(der: Buffer): boolean {
  const [element] = derElements(der) ?? []
  const [algorithm] = derChildren(element, SEQUENCE) ?? []
  return algorithm !== undefined && workOf(algorithm) <= WORK_MAX
}

function workOf({ tag, content }: DerElement): number {
  if (tag === INTEGER) {
    return content.length > 0 && content.length <= NUMBER_BYTES ? content.readUIntBE(0, content.length) : Infinity
  }
  if ((tag & CONSTRUCTED) === 0) return 1
  return (derElements(content) ?? []).map(workOf).reduce((product, each) => product * each, 1)
}
