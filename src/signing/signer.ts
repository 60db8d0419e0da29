import { SERVER, type Gun } from '../tuf/gun.ts'
import { isDelegation, type Role } from '../tuf/role.ts'

/** The algorithms of the server's own keys. Notary's clients support both. */
export type KeyAlgorithm = 'ed25519' | 'ecdsa'

/**
 * Returns the algorithm of a new key. Delegation keys are ECDSA: owners give them to docker as PEM, and docker reads no
 * ed25519 from PEM.
 */
export function algorithmFor(preferred: KeyAlgorithm, role: Role): KeyAlgorithm {
  return isDelegation(role) ? 'ecdsa' : preferred
}

/** The full name of a key. Bound into the sealed form, so that a blob moved to another repository, role or id never opens. */
export interface KeyName {
  readonly gun: Gun
  readonly role: Role
  /** Lower-case hex. */
  readonly keyId: string
}

/** Describes a key, for messages. Keys of signers belong to the server, not to a repository. */
export function keyText({ gun, role, keyId }: KeyName): string {
  return `the ${role} key ${keyId} of ${gun === SERVER ? 'the server' : gun}`
}

/** A newly made key. */
export interface NewKey {
  readonly keyId: string
  readonly keytype: KeyAlgorithm
  /** Standard base64, as in metadata (wire spec §11.2). */
  readonly public: string
  readonly sealed: Uint8Array
}

/** A signature as it appears in metadata, before base64. */
export interface RawSignature {
  readonly method: 'eddsa' | 'ecdsa'
  readonly sig: Uint8Array
}

/**
 * How closely to look whether a key can be used. `sign`: a signature with it is tried, over no metadata. `find`: it is looked
 * for where it should be. `assume`, for many keys: a key that is sealed here is taken to open, and a token to have the keys
 * that were made in it; only the others are looked for, since that takes long.
 */
export type Look = 'sign' | 'find' | 'assume'

/**
 * Returns why a key cannot be used: a clause, which calls the key "it"; undefined: it can.
 *
 * @throws TrustError SIGNER_UNAVAILABLE, BAD_KEYS, BAD_SETTINGS if nobody can tell now, since the token does not answer
 */
export type KeyFault = (name: KeyName, sealed: Uint8Array, look: Look) => Promise<string | undefined>

/** Whether keys can be used now. */
export interface SignerReadiness {
  readonly usable: boolean
  /** Why they cannot be used. */
  readonly reason?: string
}

/**
 * Custody of private keys, in files or a PKCS#11 token. A signer stores nothing itself: the store keeps the sealed keys,
 * and each call passes one in.
 */
export interface Signer {
  /** True if `create` would now make a key of this kind, in this place, for a role of a repository. */
  makes(gun: Gun, role: Role, key: Pick<NewKey, 'keytype' | 'sealed'>): boolean
  readiness(): SignerReadiness
  /** Makes a key for a role of a repository. @throws TrustError SIGNING_FAILED, SIGNER_UNAVAILABLE */
  create(gun: Gun, role: Role): Promise<NewKey>
  /**
   * Signs a message.
   *
   * @throws TrustError SIGNING_FAILED if the sealed key was sealed under another name or does not open,
   *   SIGNER_UNAVAILABLE if the token that holds it cannot be reached
   */
  sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature>
}
