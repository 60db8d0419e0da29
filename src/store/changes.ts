/** One signed name that a commit changed. */
export interface TagChange {
  /** targets, or the delegation that signs it. */
  readonly role: string
  readonly tag: string
  /** Hex SHA-256 of the manifest; null: the name was not signed before, is not signed any more. */
  readonly from: string | null
  readonly to: string | null
}

/** A role that a commit gave other keys, another threshold or other paths: who may sign has changed. */
export interface RoleChange {
  readonly role: string
  /** Key ids, as the document that names the role has them; for root those of its certificates. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Of those that are certificates: the id by which people and key files name the key in it. */
  readonly certified?: readonly { readonly certificate: string; readonly key: string }[]
  /** Of how many keys signatures are needed now; null: the role is delegated no more. */
  readonly threshold: number | null
  /** What a delegation may sign now: prefixes of names, `""` is everything. */
  readonly paths?: readonly string[]
}
