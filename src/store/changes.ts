/** A signed name that a commit changed. */
export interface TagChange {
  /** targets, or the delegation that signs it. */
  readonly role: string
  readonly tag: string
  /** Hex SHA-256 of the manifest. Null in `from`: the name was not signed before. Null in `to`: it no longer is. */
  readonly from: string | null
  readonly to: string | null
}

/** A role whose keys, threshold or paths a commit changed: a change of who may sign what. */
export interface RoleChange {
  readonly role: string
  /** Key ids as in the document that defines the role; for root, the ids of its certificates. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** For each certificate among them: the id by which people and key files name its key. */
  readonly certified?: readonly { readonly certificate: string; readonly key: string }[]
  /** How many keys must sign now; null if the role is no longer delegated. */
  readonly threshold: number | null
  /** What a delegation may sign now: prefixes of names; `""` covers everything. */
  readonly paths?: readonly string[]
}
