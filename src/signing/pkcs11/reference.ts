import { hash } from 'node:crypto'
import type { KeyOwner } from '../signer.ts'

/**
 * What the store keeps of a key that lives in a token: where it is, nothing secret. It is not authenticated, and need
 * not be: the name of the key in the token follows from its owner, and its public part must be that of the key id.
 */
interface Pkcs11Reference {
  /** Serial number of the token that made the key; for people. */
  readonly token: string
  /** CKA_ID, lower-case hex. */
  readonly id: string
}

/** How a reference begins. As the number of a data key, how file-sealed keys begin, it would be over a billion. */
const FORM = 'PK11'

export function encodeReference({ token, id }: Pkcs11Reference): Buffer {
  return Buffer.from(FORM + JSON.stringify({ token, id }))
}

/** True if a sealed form is a reference into a token. */
export function isReference(sealed: Uint8Array): boolean {
  return Buffer.from(sealed.subarray(0, FORM.length)).toString('latin1') === FORM
}

/** @returns undefined if it is no reference */
export function decodeReference(sealed: Uint8Array): Pkcs11Reference | undefined {
  if (!isReference(sealed)) return undefined
  try {
    const value = JSON.parse(Buffer.from(sealed.subarray(FORM.length)).toString('utf8')) as Partial<Pkcs11Reference>
    const { token, id } = value
    return typeof token === 'string' && typeof id === 'string' ? { token, id } : undefined
  } catch {
    return undefined
  }
}

/** CKA_ID of an owner's key, lower-case hex: no other repository, role or key id has the same one. */
export function tokenIdOf({ gun, role, keyId }: KeyOwner): string {
  const about = JSON.stringify(['countersign pkcs11 key', '1', gun, role, keyId])
  return hash('sha256', about, 'hex')
}
