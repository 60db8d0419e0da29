import { hash } from 'node:crypto'
import type { KeyName } from '../signer.ts'

/**
 * What the store keeps for a key in a token: where the key is, nothing secret. It needs no authentication: the key's id
 * in the token follows from its name, and its public half must match the key id in it.
 */
interface Pkcs11Reference {
  /** Serial number of the token that made the key; for people. */
  readonly token: string
  /** CKA_ID, lower-case hex. */
  readonly id: string
}

/** The first bytes of a reference. File-sealed keys begin with a data key's number, which would exceed a billion here. */
const FORM = 'PK11'

export function encodeReference({ token, id }: Pkcs11Reference): Buffer {
  return Buffer.from(FORM + JSON.stringify({ token, id }))
}

/** True if a sealed form is a reference into a token. */
export function isReference(sealed: Uint8Array): boolean {
  return Buffer.from(sealed.subarray(0, FORM.length)).toString('latin1') === FORM
}

/** @returns undefined if the sealed form is not a reference */
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

/** Returns the CKA_ID of a key, lower-case hex, unique to its repository, role and key id. */
export function tokenIdOf({ gun, role, keyId }: KeyName): string {
  const about = JSON.stringify(['countersign pkcs11 key', '1', gun, role, keyId])
  return hash('sha256', about, 'hex')
}
