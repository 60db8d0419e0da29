import { TrustError } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Write } from '../database/database.ts'
import type { Records } from '../database/records.ts'
import {
  decodeKeys,
  decodeOwner,
  encodeDocument,
  encodeHead,
  encodeKeys,
  encodeOwner,
  encodeValue,
} from '../encoding.ts'
import { commitTime, encodeNumber, entryBytes, entryOf, entryTail, hexSha256, type Tail } from '../journal.ts'
import {
  documentKey,
  dueKey,
  headKey,
  historyKey,
  journalKey,
  keysKey,
  ownerKey,
  recordKey,
  versionKey,
} from '../keyspace.ts'
import { serverRevision } from '../server-revision.ts'
import type { Head, JournalEntry, KeyOwner, StoredKey, StoredRecord } from '../store.ts'
import type { PackedCommit, PackedNewDocument } from './packed-commit.ts'

/**
 * Commits that share one disk write. Each is checked against the database as it will be after the previous ones; a refused
 * one does not affect the others.
 */
export class Batch {
  readonly #records: Records
  readonly #headOf: (gun: Gun) => Head | undefined
  readonly #staged = new Map<string, Write>()
  readonly #heads = new Map<Gun, Head>()
  tail: Tail

  /** @param headOf the stored head of a repository */
  constructor(records: Records, headOf: (gun: Gun) => Head | undefined, tail: Tail) {
    this.#records = records
    this.#headOf = headOf
    this.tail = tail
  }

  get writes(): Write[] {
    return [...this.#staged.values()]
  }

  /** The repositories that the batch changes. */
  get guns(): Iterable<Gun> {
    return this.#heads.keys()
  }

  /**
   * Stages one commit. Makes all checks before it stages anything.
   *
   * @returns number of the journal entry
   * @throws TrustError CONFLICT, VERSION, CLOCK, CORRUPT; WRONG_STATE for a key of another repository or role
   */
  add(commit: PackedCommit): number {
    const { gun, permittedAt } = commit
    const headOf = (of: Gun): Head | undefined => this.#heads.get(of) ?? this.#headOf(of)
    const before = headOf(gun)
    if ((before?.revision ?? 0) !== commit.expected) {
      throw new TrustError('CONFLICT', `${gun} changed in the meantime`)
    }
    if (permittedAt !== undefined && permittedAt !== serverRevision(headOf)) {
      throw new TrustError('CONFLICT', 'who may do what may have changed in the meantime')
    }
    const time = commit.kind === 'clock' ? commit.time : commitTime(this.tail, commit.time)
    const documents = commit.documents.filter((document) => this.#isNew(gun, before, document))
    mustKeepHighest(before, commit)
    for (const { keyId, role } of commit.keys) this.#mustOwn(keyId, { gun, role })
    const lists = this.#keyLists(gun, commit.keys)

    const revision = commit.expected + 1
    const unchanged = before === undefined ? 0 : before.keysAt
    const keysAt = commit.keys.length > 0 ? revision : unchanged
    const next: Head = { ...commit.head, keysAt, revision }
    const head = encodeHead(next)
    for (const key of commit.removed) this.#stage({ key: Buffer.from(key) })
    for (const { role, version, sha256, packed } of documents) {
      const payload = encodeDocument({ version, createdAt: time, packed })
      this.#stage({ key: documentKey(gun, role, sha256), payload })
      this.#stage({ key: versionKey(gun, role, version), payload: Buffer.from(sha256, 'hex') })
    }
    const keys = this.#stageKeys(gun, commit.keys, lists)
    const records = this.#stageRecords(commit.records ?? [])
    if (before?.renewAt != null) this.#stage({ key: dueKey(before.renewAt, gun) })
    if (next.renewAt !== null) this.#stage({ key: dueKey(next.renewAt, gun), payload: Buffer.alloc(0) })
    this.#stage({ key: headKey(gun), payload: head })
    this.#heads.set(gun, next)

    const entry = entryOf(this.tail, commit, { revision, documents, keys, records, head: hexSha256(head) }, time)
    const bytes = entryBytes(entry)
    this.#stage({ key: journalKey(entry.number), payload: bytes })
    this.#stage({ key: historyKey(gun, revision), payload: encodeNumber(entry.number) })
    this.tail = entryTail(entry, bytes)
    return entry.number
  }

  /**
   * True unless the same bytes are stored already and need not be written again.
   *
   * @throws TrustError VERSION if the version is stored already with other bytes
   */
  #isNew(gun: Gun, before: Head | undefined, { role, version, sha256, whole }: PackedNewDocument): boolean {
    if (version > (before?.highest[role] ?? 0)) return true
    // Its stored bytes are damaged, and perhaps the version record too.
    if (whole === true && before?.roles[role]?.sha256 === sha256) return true
    const stored = this.#get(versionKey(gun, role, version))
    if (stored === undefined) return true
    if (stored.toString('hex') === sha256) return whole === true
    throw new TrustError('VERSION', `${role} version ${version} of ${gun} is already stored, with different content`)
  }

  /** Checks that a key has no other owner yet: readers cache owners for ever. @throws TrustError WRONG_STATE */
  #mustOwn(keyId: string, { gun, role }: KeyOwner): void {
    const stored = this.#get(ownerKey(keyId))
    const owner = stored === undefined ? undefined : decodeOwner(stored)
    if (owner === undefined || (owner.gun === gun && owner.role === role)) return
    throw new TrustError('WRONG_STATE', `the key ${keyId} belongs to another repository or role`)
  }

  /** Returns the new key lists, before anything is staged: the stored ones may be damaged. @throws TrustError CORRUPT */
  #keyLists(gun: Gun, keys: readonly StoredKey[]): Write[] {
    return [...new Set(keys.map((key) => key.role))].map((role) => {
      const stored = this.#get(keysKey(gun, role))
      const list = new Map((stored === undefined ? [] : decodeKeys(stored)).map((key) => [key.keyId, key]))
      for (const key of keys) if (key.role === role) list.set(key.keyId, key)
      return { key: keysKey(gun, role), payload: encodeKeys([...list.values()]) }
    })
  }

  #stageKeys(gun: Gun, keys: readonly StoredKey[], lists: readonly Write[]): JournalEntry['keys'] {
    for (const list of lists) this.#stage(list)
    for (const { keyId, role } of keys) {
      this.#stage({ key: ownerKey(keyId), payload: encodeOwner({ gun, role }) })
    }
    return keys.map(({ role, keyId, sealed }) => ({ role, keyId, sha256: hexSha256(sealed) }))
  }

  #stageRecords(records: readonly StoredRecord[]): JournalEntry['records'] {
    return records.map(({ kind, name, value, action }) => {
      const told = action === undefined ? {} : { action }
      const key = recordKey(kind, name)
      if (value === null) {
        this.#stage({ key })
        return { kind, name, sha256: null, ...told }
      }
      const payload = encodeValue(value)
      this.#stage({ key, payload })
      return { kind, name, sha256: hexSha256(payload), ...told }
    })
  }

  #get(key: Buffer): Buffer | undefined {
    const staged = this.#staged.get(key.toString('latin1'))
    return staged === undefined ? this.#records.get(key) : staged.payload
  }

  #stage(write: Write): void {
    this.#staged.set(write.key.toString('latin1'), write)
  }
}

/** Checks that the new head keeps the highest versions: they decide whether a version is taken. */
function mustKeepHighest(before: Head | undefined, { head, documents }: PackedCommit): void {
  const forgets = (role: string, version: number): boolean => !((head.highest[role] ?? 0) >= version)
  const alive = Object.keys(before?.roles ?? {}).length > 0
  const lost = alive && Object.entries(before?.highest ?? {}).some(([role, version]) => forgets(role, version))
  if (lost || documents.some(({ role, version }) => forgets(role, version))) {
    throw new Error('a head that forgets a version')
  }
}
