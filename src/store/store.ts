import type { Gun } from '../tuf/gun.ts'
import type { Role, SignedRole } from '../tuf/role.ts'
import type { RoleChange, TagChange } from './changes.ts'

/**
 * What every store promises. LevelDB is the one implementation (`store/level-store.ts`); the contract fits PostgreSQL too:
 * lock the repository's row, compare its revision, write.
 *
 * - A *document* is immutable bytes: (gun, role, version) and (gun, role, sha256) name exactly the bytes that were
 *   uploaded or made.
 * - A *head* says, for one repository, which document of each role is current.
 * - A *commit* is the only way to change anything: atomic, durable when acknowledged, compare-and-set on the head.
 * - The *journal* lists every commit, each entry carrying the hash of the one before it.
 *
 * Reads by name are synchronous (LevelDB's getSync) and see the latest commit; nothing above the store keeps a head.
 * Every record carries its own hash, bound to its key and checked at each read, unless its bytes are those that were
 * checked before: a mismatch throws TrustError CORRUPT. For the moment in which the database is opened anew after a
 * failed write, reads throw STORE_UNAVAILABLE.
 */

/** Which document of a role is current. */
export interface RoleState {
  readonly version: number
  /** Lower-case hex SHA-256 of the stored bytes. */
  readonly sha256: string
  /** Standard base64 SHA-512 of the stored bytes, as snapshots carry it. */
  readonly sha512: string
  /** Bytes. */
  readonly length: number
  /** When the document expires, milliseconds since 1970. */
  readonly expires: number
}

export interface Head {
  /** 1 at the first commit to this repository, +1 at each commit; never goes back, also not across a delete. */
  readonly revision: number
  /** Current documents by role; empty before the first publish and after a delete. */
  readonly roles: Readonly<Record<string, RoleState>>
  /** The highest version ever committed of each role; survives a delete. No stored document is above it. */
  readonly highest: Readonly<Record<string, number>>
  /** The revision that last made or changed keys of this repository, 0: none did; missing in older heads. */
  readonly keysAt?: number | undefined
  /** When the server should re-sign something of this repository, milliseconds since 1970; null for never. */
  readonly renewAt: number | null
}

/** A document to commit. The store computes nothing about it: the caller hashed the bytes. */
export interface NewDocument {
  readonly role: Role
  readonly version: number
  readonly bytes: Uint8Array
  /** Lower-case hex SHA-256 of `bytes`. */
  readonly sha256: string
  /** The keys that signed it, as its signatures name them; for the journal. */
  readonly keyIds: readonly string[]
  /** True: it needs no other document to be read, as a difference would; one that is stored already is written once more. */
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
 * A private key that the server holds, sealed: the store cannot open it. Keys of one repository's role stand under its
 * GUN, those of signers, which sign in many repositories (role `targets/<name>`), under SERVER. Root keys are records.
 */
export interface StoredKey {
  readonly role: SignedRole
  /** Lower-case hex key id (wire spec §11.2). */
  readonly keyId: string
  readonly keytype: 'ed25519' | 'ecdsa'
  /** Standard base64, as metadata carries it. */
  readonly public: string
  /** Opaque; made and opened by `signing/` only. */
  readonly sealed: Uint8Array
  /** True until the first signature with it (wire spec §7: a pending key is handed out again). */
  readonly pending: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** For which repository and role a key was made; for ever. */
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

/** `record`: nothing but records. `clock`: the clock was ahead until now. */
type CommitKind = 'publish' | 'renew' | 'key' | 'delete' | 'record' | 'clock'

/** What records are of: each kind is one list, by name. */
export type RecordKind = 'user' | 'token' | 'signer' | 'policy' | 'root-key' | 'staged-root' | 'notice'

/** Small JSON values beside the metadata: users, tokens, signers … A name is 1 to 512 bytes. */
export interface StoredRecord {
  readonly kind: RecordKind
  readonly name: string
  /** Any JSON value but null; null removes the record. Never a secret in the clear. */
  readonly value: unknown
  /** For the journal, where it does not tell by itself what was done: `staged`, `signed` … of a root that waits. */
  readonly action?: string
}

/** A record of which only the name can be read. */
export interface DamagedRecord {
  readonly kind: RecordKind
  readonly name: string
  /** Why. */
  readonly damaged: string
}

/** Names of records that are there, by the journal: also of those that damage keeps from being found. Up to date. */
export type Recorded = Pick<ReadonlySet<string>, 'has'> & Iterable<string>

/** One atomic change of one repository. */
export interface Commit {
  readonly gun: Gun
  /** The revision that the caller read; 0 when there was no head. CONFLICT if it is no longer current. */
  readonly expected: number
  readonly kind: CommitKind
  readonly actor: Actor
  /** Milliseconds since 1970; becomes the journal entry's time and the documents' createdAt. */
  readonly time: number
  /** The head after the commit, without its revision: the store counts. */
  readonly head: Omit<Head, 'revision' | 'keysAt'>
  /**
   * New documents. (gun, role, version) that is stored already with other bytes: TrustError VERSION.
   * For kind `delete` every document of the repository is removed instead, and this is empty.
   */
  readonly documents: readonly NewDocument[]
  /** Keys to add, or to replace by the same keyId (pending → used). */
  readonly keys: readonly StoredKey[]
  /** Records to write or remove. None: nothing. */
  readonly records?: readonly StoredRecord[]
  /** For the journal: names that are signed otherwise than before. */
  readonly changes?: readonly TagChange[]
  /** For the journal: who may sign what otherwise than before. */
  readonly roles?: readonly RoleChange[]
}

/** One line of the journal: canonical JSON (RFC 8785) whose SHA-256 the next entry carries. */
export interface JournalEntry {
  /** 1, 2, 3, … without gaps. Also the ID in Notary's changefeed. */
  readonly number: number
  /** Hex SHA-256 of the entry before this one; 64 zeros for the first. */
  readonly previous: string
  /** RFC 3339, UTC, milliseconds; never before the entry before it, but of kind `clock`. */
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
  /** Hex SHA-256 of each record's value; null: removed. */
  readonly records: readonly (Pick<StoredRecord, 'name' | 'action'> & { kind: string; sha256: string | null })[]
  readonly changes: readonly TagChange[]
  /** Missing where nobody may sign anything otherwise than before. */
  readonly roles?: readonly RoleChange[]
  /** Hex SHA-256 of the head record that this commit wrote. */
  readonly head: string
}

export interface JournalQuery {
  readonly gun?: Gun | undefined
  /** Entries with a number above this one, oldest first (default 0)… */
  readonly after?: number
  /** …or, when given, entries with a number below this one, newest first. */
  readonly before?: number
}

/** When a repository is to be renewed, milliseconds since 1970. */
export interface Due {
  readonly gun: Gun
  readonly renewAt: number
}

export interface Store {
  /** The head of a repository; undefined if it was never heard of. */
  head(gun: Gun): Head | undefined
  /** The same bytes as long as nothing of the repository has changed, its head included; told without decoding it. */
  stamp(gun: Gun): Buffer | undefined
  /** The same number as long as nothing of the repository has changed; undefined: something is being written. */
  writes(gun: Gun): number | undefined
  /** By checksum (lower-case hex SHA-256) or by version. Answers only for exactly this GUN and role. */
  document(
    gun: Gun,
    role: Role,
    at: { readonly sha256: string } | { readonly version: number },
  ): StoredDocument | undefined
  /**
   * All keys of a role that the server made, oldest first. They survive a delete.
   *
   * @param head of the repository, as it was just read: spares a look at keys that have not changed
   */
  keys(gun: Gun, role: Role, head?: Head): readonly StoredKey[]
  /** All keys that are held for a repository, or for SERVER, of whatever role. */
  keysOf(gun: Gun): Promise<StoredKey[]>
  /** Whose key this is: which repository and role the server made it for. */
  keyOwner(keyId: string): KeyOwner | undefined
  /** The value of a record; undefined if there is none. */
  record(kind: RecordKind, name: string): unknown
  /** What the journal says of the server's own records of a kind. @throws TrustError STORE_UNAVAILABLE */
  recorded(kind: RecordKind): Promise<Recorded>
  /** All records of a kind, in byte order of their names. */
  records(kind: RecordKind): AsyncIterable<StoredRecord | DamagedRecord>
  /**
   * Commit. Resolves when the change is on disk (`sync: true`) and the anchor follows it; then every read sees it.
   * Commits of different repositories may share one disk write. On rejection nothing changed, but for STORE_UNAVAILABLE:
   * then it may turn out later that something did.
   *
   * @returns number of the journal entry
   * @throws TrustError CONFLICT, VERSION, CLOCK, CORRUPT, STORE_UNAVAILABLE; WRONG_STATE for a key that is another one's
   */
  commit(commit: Commit): Promise<number>
  /** Repositories whose renewAt is at or before `time`, earliest first, from after `after`. */
  due(time: number, limit: number, after?: Due): Promise<Due[]>
  /** Names of all repositories with a head, in byte order, from after `after`; never SERVER. */
  guns(limit: number, after?: Gun): AsyncIterable<Gun>
  /** Journal entries in the order of the query, lazily, up to the newest one at the moment of the call. */
  journal(query?: JournalQuery): IterableIterator<JournalEntry>
  /** The newest journal entry: its number, 0: there is none; in the thread that writes its time, milliseconds since 1970. */
  tail(): { readonly number: number; readonly time?: number }
  /** False while a failed write is being recovered from, with the reason. */
  readiness(): { readonly writable: boolean; readonly reason?: string }
  close(): Promise<void>
}
