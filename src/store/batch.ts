import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import type { Database, Write } from './database.ts'
import {
  decodeDocument,
  decodeHead,
  decodeKeys,
  encodeDocument,
  encodeHead,
  encodeKeys,
  encodeOwner,
  encodeText,
  encodeValue,
} from './encoding.ts'
import { commitTime, entryBytes, entryOf, entryTail, hexSha256, type Tail } from './journal.ts'
import {
  documentKey,
  dueKey,
  headKey,
  historyKey,
  journalKey,
  keysKey,
  ownerKey,
  recordKey,
  rangeOf,
  versionKey,
} from './keyspace.ts'
import { pack, PACK_MIN_BYTES, type Base, type Packed } from './packing.ts'
import type { Commit, Head, JournalEntry, NewDocument, StoredKey, StoredRecord } from './store.ts'

/**
 * Commits on their way into one disk write. Each is checked against the database as it will be after the ones before
 * it; one that is refused leaves the others alone.
 */
export class Batch {
  readonly #database: Database
  readonly #staged = new Map<string, Write>()
  tail: Tail

  constructor(database: Database, tail: Tail) {
    this.#database = database
    this.tail = tail
  }

  get writes(): Write[] {
    return [...this.#staged.values()]
  }

  /**
   * Stage one commit. All that can be refused is refused before anything is staged.
   *
   * @throws TrustError CONFLICT, VERSION, CLOCK
   */
  async add(commit: Commit): Promise<JournalEntry> {
    const { gun } = commit
    const old = this.#get(headKey(gun))
    const before = old === undefined ? undefined : decodeHead(old)
    if ((before?.revision ?? 0) !== commit.expected) {
      throw new TrustError('CONFLICT', `${gun} changed in the meantime`)
    }
    const time = commitTime(this.tail, commit.time)
    const documents = commit.documents.filter((document) => this.#isNew(gun, document))
    const payloads = await Promise.all(
      documents.map(async (document) => {
        const packed = await this.#packed(gun, before, document)
        return { document, payload: encodeDocument({ version: document.version, createdAt: time, packed }) }
      }),
    )
    const removed = commit.kind === 'delete' ? await this.#documentsOf(gun) : []

    const revision = commit.expected + 1
    const head = encodeHead({ ...commit.head, revision })
    for (const key of removed) this.#stage({ key })
    for (const { document, payload } of payloads) {
      const { role, version, sha256 } = document
      this.#stage({ key: documentKey(gun, role, sha256), payload })
      this.#stage({ key: versionKey(gun, role, version), payload: Buffer.from(sha256, 'hex') })
    }
    const keys = this.#stageKeys(gun, commit.keys)
    const records = this.#stageRecords(commit.records ?? [])
    if (before?.renewAt != null) this.#stage({ key: dueKey(before.renewAt, gun) })
    if (commit.head.renewAt !== null) {
      this.#stage({ key: dueKey(commit.head.renewAt, gun), payload: Buffer.alloc(0) })
    }
    this.#stage({ key: headKey(gun), payload: head })

    const entry = entryOf(this.tail, { ...commit, documents }, time, revision, hexSha256(head), keys, records)
    const bytes = entryBytes(entry)
    this.#stage({ key: journalKey(entry.number), payload: bytes })
    this.#stage({ key: historyKey(gun, revision), payload: encodeText(String(entry.number)) })
    this.tail = entryTail(entry, bytes)
    return entry
  }

  /** False for bytes that are stored already. @throws TrustError VERSION for other bytes at a version that is taken */
  #isNew(gun: Gun, { role, version, sha256 }: Commit['documents'][number]): boolean {
    const stored = this.#get(versionKey(gun, role, version))
    if (stored === undefined) return true
    if (stored.toString('hex') === sha256) return false
    throw new TrustError('VERSION', `${role} version ${version} of ${gun} is stored already, with other content`)
  }

  /** As the difference to the role's current document, or to what that one is a difference to. */
  #packed(gun: Gun, before: Head | undefined, { role, bytes }: NewDocument): Promise<Packed> {
    const current = bytes.length < PACK_MIN_BYTES ? undefined : before?.roles[role]?.sha256
    return pack(bytes, current === undefined ? undefined : this.#base(gun, role, current))
  }

  #base(gun: Gun, role: Role, sha256: string): Base | undefined {
    const payload = this.#get(documentKey(gun, role, sha256))
    if (payload === undefined) return undefined
    const { packed } = decodeDocument(payload)
    return packed.form === 'whole' ? { sha256, bytes: packed.bytes } : this.#base(gun, role, packed.base)
  }

  #stageKeys(gun: Gun, keys: readonly StoredKey[]): JournalEntry['keys'] {
    for (const role of new Set(keys.map((key) => key.role))) {
      const stored = this.#get(keysKey(gun, role))
      const list = new Map((stored === undefined ? [] : decodeKeys(stored)).map((key) => [key.keyId, key]))
      for (const key of keys) if (key.role === role) list.set(key.keyId, key)
      this.#stage({ key: keysKey(gun, role), payload: encodeKeys([...list.values()]) })
    }
    for (const { keyId, role } of keys) {
      this.#stage({ key: ownerKey(keyId), payload: encodeOwner({ gun, role }) })
    }
    return keys.map(({ role, keyId, sealed }) => ({ role, keyId, sha256: hexSha256(sealed) }))
  }

  #stageRecords(records: readonly StoredRecord[]): JournalEntry['records'] {
    return records.map(({ kind, name, value }) => {
      const key = recordKey(kind, name)
      if (value === null) {
        this.#stage({ key })
        return { kind, name, sha256: null }
      }
      const payload = encodeValue(value)
      this.#stage({ key, payload })
      return { kind, name, sha256: hexSha256(payload) }
    })
  }

  async #documentsOf(gun: Gun): Promise<Buffer[]> {
    const found: Buffer[] = []
    for (const kind of ['document', 'version'] as const) {
      for await (const key of this.#database.keys(rangeOf(kind, gun))) found.push(key)
    }
    return found
  }

  #get(key: Buffer): Buffer | undefined {
    const staged = this.#staged.get(key.toString('latin1'))
    return staged === undefined ? this.#database.get(key) : staged.payload
  }

  #stage(write: Write): void {
    this.#staged.set(write.key.toString('latin1'), write)
  }
}
