import { derChildren, derElements, INTEGER, SEQUENCE, type DerElement } from '../tuf/asn1/der.ts'

const CONSTRUCTED = 0x20
/** Longest integer that fits a JavaScript number. */
const NUMBER_BYTES = 6
/** Rounds, or N · r · p of scrypt: a few seconds. Notary's clients use 2048, OpenSSL at most 2^17. */
const WORK_MAX = 2 ** 25

/**
 * True if trying a passphrase on this encrypted key (PKCS#8) takes seconds at most. The file sets the amount of work and
 * could demand hours: OpenSSL limits the memory, not the time.
 *
 * @param der EncryptedPrivateKeyInfo; all integers in its algorithm are factors of the work: rounds, N, r, p
 */
export function isQuickToTry(der: Buffer): boolean {
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
