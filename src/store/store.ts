import type { Gun } from '../tuf/gun.ts'
import type { Role, SignedRole } from '../tuf/role.ts'
import type { RoleChange, TagChange } from './changes.ts'

/**
 * The contract of a store. LevelDB is its only implementation (`store/level-store.ts`); PostgreSQL would fit, too.
 *
 * - A *document* is immutable bytes: (gun, role, version) and (gun, role, sha256) name exactly the bytes that were
 *   uploaded or made.
 * - A *head* says, for one repository, which document of each role is current.
 * - A *commit* is the only way to change anything: atomic, durable when acknowledged, compare-and-set on the head.
 * - The *journal* lists every commit; each entry carries the hash of the previous one.
 *
 * Reads by name are synchronous (LevelDB's getSync) and see the latest commit; nothing above the store keeps a head.
 * Every record carries its own hash, bound to its key and checked at each read unless the same bytes were checked before;
 * a mismatch throws TrustError CORRUPT. While a failed write makes the database reopen, reads throw STORE_UNAVAILABLE.
 */

/** Which document of a role is current. */
export interface RoleState {
  readonly version: number
  /** Lower-case hex SHA-256 of the stored bytes. */
  readonly sha256: string
  /** Standard base64 SHA-512 of the stored bytes, as in snapshots. */
  readonly sha512: string
  /** Bytes. */
  readonly length: number
  /** When the document expires, milliseconds since 1970. */
  readonly expires: number
}

export interface Head {
  /** 1 after the first commit to this repository, +1 with each commit; a delete does not reset it. */
  readonly revision: number
  /** Current documents by role; empty before the first publish and after a delete. */
  readonly roles: Readonly<Record<string, RoleState>>
  /** The highest version ever committed of each role; survives a delete. No stored document is above it. */
  readonly highest: Readonly<Record<string, number>>
  /** The revision that last made or changed keys of this repository, 0 if none did; missing in older heads. */
  readonly keysAt?: number | undefined
  /** When the server should re-sign something in this repository, milliseconds since 1970; null for never. */
  readonly renewAt: number | null
}

/** A document to commit. The caller has hashed the bytes. */
export interface NewDocument {
  readonly role: Role
  readonly version: number
  readonly bytes: Uint8Array
  /** Lower-case hex SHA-256 of `bytes`. */
  readonly sha256: string
  /** Ids of the keys that signed it, as its signatures name them; for the journal. */
  readonly keyIds: readonly string[]
  /** True to store it whole, not as a difference, and to write it again even if it is stored already. */
  readonly whole?: boolean
}

/** A document as stored. */
export interface StoredDocument {
  readonly bytes: Uint8Array
  readonly version: number
  readonly sha256: string
  /** When it was committed, milliseconds since 1970. */
  readonly createdAt: number
}

/**
 * A private key that the server holds, sealed so that the store cannot open it. Keys of a repository's role are stored
 * under its GUN; those of signers, which sign in many repositories (role `targets/<name>`), under SERVER. Root keys are
 * records.
 */
export interface StoredKey {
  readonly role: SignedRole
  /** Lower-case hex key id (wire spec §11.2). */
  readonly keyId: string
  readonly keytype: 'ed25519' | 'ecdsa'
  /** Standard base64, as in metadata. */
  readonly public: string
  /** Opaque; made and opened by `signing/` only. */
  readonly sealed: Uint8Array
  /** True until something is signed with it: a pending key is handed out again (wire spec §7). */
  readonly pending: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** The repository and role that a key was made for; this never changes. */
export interface KeyOwner {
  readonly gun: Gun
  readonly role: Role
}

/** Who asked for a change; written to the journal. */
export interface Actor {
  /** `user:alice`, `token:ci`, `anonymous`, `server` (nobody asked), `local` (the command line). */
  readonly name: string
  /** Remote address, when there is one. */
  readonly address?: string | undefined
  readonly requestId?: string
}

/** `record`: only records. `clock`: accepts a clock that was ahead until now. */
type CommitKind = 'publish' | 'renew' | 'key' | 'delete' | 'record' | 'clock'

/** The kinds of records; each kind is one list, sorted by name. */
export type RecordKind = 'user' | 'token' | 'signer' | 'policy' | 'root-key' | 'staged-root' | 'notice'

/** A small JSON value beside the metadata: a user, token, signer … Names have 1 to 512 bytes. */
export interface StoredRecord {
  readonly kind: RecordKind
  readonly name: string
  /** Any JSON value; null removes the record. Never a secret in the clear. */
  readonly value: unknown
  /** For the journal, which has only a hash of the value: what was done, such as `signed` to a waiting root. */
  readonly action?: string
}

/** A record that cannot be read, except for its name. */
export interface DamagedRecord {
  readonly kind: RecordKind
  readonly name: string
  /** Why. */
  readonly damaged: string
}

/** Names of the records that exist according to the journal, even if damage hides them from LevelDB. Always up to date. */
export type Recorded = Pick<ReadonlySet<string>, 'has'> & Iterable<string>

/** One atomic change of one repository. */
export interface Commit {
  readonly gun: Gun
  /** The revision that the caller read; 0 if there was no head. CONFLICT if it is no longer current. */
  readonly expected: number
  /** The revision of SERVER at which permission, or rules, were checked, if they were: CONFLICT if it is not current. */
  readonly permittedAt?: number
  readonly kind: CommitKind
  readonly actor: Actor
  /** Milliseconds since 1970; becomes the journal entry's time and the documents' createdAt. */
  readonly time: number
  /** The head after the commit, without the revisions, which the store sets. */
  readonly head: Omit<Head, 'revision' | 'keysAt'>
  /**
   * New documents. TrustError VERSION if (gun, role, version) is stored already with other bytes.
   * Empty for kind `delete`, which removes every document of the repository.
   */
  readonly documents: readonly NewDocument[]
  /** Keys to add, or to replace under the same keyId (pending → used). */
  readonly keys: readonly StoredKey[]
  /** Records to write or remove. */
  readonly records?: readonly StoredRecord[]
  /** For the journal: signed names that changed. */
  readonly changes?: readonly TagChange[]
  /** For the journal: changes of who may sign what. */
  readonly roles?: readonly RoleChange[]
}

/** An entry of the journal, stored as canonical JSON (RFC 8785), whose SHA-256 the next entry carries. */
export interface JournalEntry {
  /** 1, 2, 3, … without gaps. Also the ID in Notary's changefeed. */
  readonly number: number
  /** Hex SHA-256 of the previous entry; 64 zeros for the first. */
  readonly previous: string
  /** RFC 3339, UTC, milliseconds; never before the previous entry, except for kind `clock`. */
  readonly time: string
  readonly gun: string
  readonly kind: CommitKind
  /** The head's revision after this commit. */
  readonly revision: number
  readonly actor: Actor
  readonly documents: readonly {
    readonly role: string
    readonly version: number
    readonly sha256: string
    readonly keyIds: readonly string[]
  }[]
  readonly keys: readonly { readonly role: string; readonly keyId: string; readonly sha256: string }[]
  /** Hex SHA-256 of each record's value; null if it was removed. */
  readonly records: readonly (Pick<StoredRecord, 'name' | 'action'> & { kind: string; sha256: string | null })[]
  readonly changes: readonly TagChange[]
  /** Missing if who may sign what did not change. */
  readonly roles?: readonly RoleChange[]
  /** Hex SHA-256 of the head record that this commit wrote. */
  readonly head: string
}

export interface JournalQuery {
  readonly gun?: Gun | undefined
  /** Entries with a number above this one, oldest first (default 0)… */
  readonly after?: number
  /** …or, if given, entries with a number below this one, newest first. */
  readonly before?: number
}

/** When a repository is due for renewal, milliseconds since 1970. */
export interface Due {
  readonly gun: Gun
  readonly renewAt: number
}

export interface Store {
  /** Returns the head of a repository; undefined if nothing was ever committed to it. */
  head(gun: Gun): Head | undefined
  /** Returns bytes that stay the same until the repository changes in any way; read without decoding the head. */
  stamp(gun: Gun): Buffer | undefined
  /** Returns a number that stays the same until the repository changes; undefined while something is being written. */
  writes(gun: Gun): number | undefined
  /** Reads a document of exactly this GUN and role, by checksum (lower-case hex SHA-256) or by version. */
  document(
    gun: Gun,
    role: Role,
    at: { readonly sha256: string } | { readonly version: number },
  ): StoredDocument | undefined
  /**
   * Returns all keys that the server made for a role, oldest first. They survive a delete.
   *
   * @param head of the repository, just read; avoids reading keys that have not changed
   */
  keys(gun: Gun, role: Role, head?: Head): readonly StoredKey[]
  /** Returns the keys of all roles held for a repository, or for SERVER. */
  keysOf(gun: Gun): Promise<StoredKey[]>
  /** Returns the repository and role that the server made this key for. */
  keyOwner(keyId: string): KeyOwner | undefined
  /** Returns the value of a record; undefined if there is none. */
  record(kind: RecordKind, name: string): unknown
  /** Returns the names of the server's own records of a kind, from the journal. @throws TrustError STORE_UNAVAILABLE */
  recorded(kind: RecordKind): Promise<Recorded>
  /** Returns all records of a kind, in byte order of their names. */
  records(kind: RecordKind): AsyncIterable<StoredRecord | DamagedRecord>
  /**
   * Commits a change. Resolves when it is on the disk (`sync: true`); from then on every read sees it, and the anchor
   * follows. Commits to different repositories may share one disk write. On rejection nothing has changed, except for
   * STORE_UNAVAILABLE, after which the change may turn out to have been written.
   *
   * @returns number of the journal entry
   * @throws TrustError CONFLICT, VERSION, CLOCK, CORRUPT, STORE_UNAVAILABLE; WRONG_STATE for another repository's key
   */
  commit(commit: Commit): Promise<number>
  /** Returns the repositories whose renewAt is at or before `time`, earliest first, starting after `after`. */
  due(time: number, limit: number, after?: Due): Promise<Due[]>
  /** Yields the names of all repositories with a head, in byte order, starting after `after`; never SERVER. */
  guns(limit: number, after?: Gun): AsyncIterable<Gun>
  /** Yields journal entries lazily, in the order of the query, up to the newest one at the time of the call. */
  journal(query?: JournalQuery): IterableIterator<JournalEntry>
  /** Returns the newest entry's number, or 0; in the writing thread also its time, milliseconds since 1970. */
  tail(): { readonly number: number; readonly time?: number }
  /** Returns whether commits are possible: not while the store recovers from a failed write, with the reason. */
  readiness(): { readonly writable: boolean; readonly reason?: string }
  close(): Promise<void>
}
