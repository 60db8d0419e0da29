import { SERVER, type Gun } from '../tuf/gun.ts'
import { isDelegation, type Role } from '../tuf/role.ts'

/** The algorithms that the server makes keys of. Clients of Notary take both. */
export type KeyAlgorithm = 'ed25519' | 'ecdsa'

/**
 * The algorithm of a new key. Keys of delegations are ECDSA: their owners hand them to docker as PEM, where it reads no
 * ed25519.
 */
export function algorithmFor(preferred: KeyAlgorithm, role: Role): KeyAlgorithm {
  return isDelegation(role) ? 'ecdsa' : preferred
}

/** Whose key: bound into the sealed form, so that a blob moved to another repository, role or id never opens. */
export interface KeyOwner {
  readonly gun: Gun
  readonly role: Role
  /** Lower-case hex. */
  readonly keyId: string
}

/** A key in words. Those of signers belong to no repository. */
export function keyText({ gun, role, keyId }: KeyOwner): string {
  return `the ${role} key ${keyId} of ${gun === SERVER ? 'the server' : gun}`
}

/** A key just made. */
export interface NewKey {
  readonly keyId: string
  readonly keytype: KeyAlgorithm
  /** Standard base64, as metadata carries it (wire spec §11.2). */
  readonly public: string
  readonly sealed: Uint8Array
}

/** A signature as metadata carries it. */
export interface RawSignature {
  readonly method: 'eddsa' | 'ecdsa'
  readonly sig: Uint8Array
}

/** Whether keys can be used at the moment. */
export interface SignerReadiness {
  readonly usable: boolean
  /** Why not. */
  readonly reason?: string
}

/**
 * Custody of private keys: one home, one verb. Small, so that PKCS#11 and Vault can stand behind it.
 * The signer keeps nothing: sealed keys live in the store, and come back with each call.
 */
export interface Signer {
  /** True if `create` would now make a key of this kind, in this place, for a role of a repository. */
  makes(gun: Gun, role: Role, key: Pick<NewKey, 'keytype' | 'sealed'>): boolean
  readiness(): SignerReadiness
  /** Make a key for a role of a repository. @throws TrustError SIGNING_FAILED, SIGNER_UNAVAILABLE */
  create(gun: Gun, role: Role): Promise<NewKey>
  /**
   * Sign.
   *
   * @throws TrustError SIGNING_FAILED if the sealed key does not belong to this owner or does not open,
   *   SIGNER_UNAVAILABLE if what holds it cannot be reached
   */
  sign(owner: KeyOwner, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature>
}
