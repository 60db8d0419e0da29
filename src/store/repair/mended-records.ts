import { unlessDamaged } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Role } from '../../tuf/role.ts'
import type { Account, NamedDocument, NamedKey } from '../audit/account.ts'
import type { Books, Value } from '../audit/books.ts'
import { decodeHead, decodeKeys, encodeHead, encodeKeys, encodeOwner } from '../encoding.ts'
import { encodeNumber, hexSha256 } from '../journal.ts'
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
import type { Head, JournalEntry } from '../store.ts'
import { DocumentBytes } from './document-bytes.ts'
import type { LostEntries } from './lost-entries.ts'
import type { MendedJournal } from './mended-journal.ts'
import type { Found } from './sources.ts'
import type { Survey } from './survey.ts'

/** A record that must exist according to the journal; `found` is undefined if it cannot be recovered. */
export interface Mended {
  readonly key: Buffer
  readonly found: Found | undefined
}

/**
 * Proposes candidates for a repository's head from its other records; the hash in the journal tells which one is right.
 *
 * @param history its journal entries, oldest first
 * @param bytesOf returns a document's bytes by its checksum
 * @param renewals times when it may be due, milliseconds since 1970
 * @throws TrustError if its documents do not form a repository
 */
export type ProposeHeads = (
  history: readonly JournalEntry[],
  bytesOf: (role: Role, sha256: string) => Uint8Array | undefined,
  renewals: readonly number[],
) => Iterable<Head>

/** Every record that must exist, as `check` expects it, each recovered if possible. */
export class MendedRecords {
  readonly #survey: Survey
  readonly #journal: MendedJournal
  readonly #lost: LostEntries
  readonly #books: Books
  readonly #proposeHeads: ProposeHeads
  readonly #bytes: DocumentBytes

  constructor(survey: Survey, journal: MendedJournal, lost: LostEntries, books: Books, proposeHeads: ProposeHeads) {
    this.#survey = survey
    this.#journal = journal
    this.#lost = lost
    this.#books = books
    this.#proposeHeads = proposeHeads
    this.#bytes = new DocumentBytes(survey.sources)
  }

  *all(): IterableIterator<Mended> {
    for (let number = 1; number <= this.#journal.end; number += 1) {
      yield { key: journalKey(number), found: this.#journal.find(number) }
    }
    for (const [gun, account] of this.#books.accounts) {
      for (const [revision, number] of account.history) {
        yield this.withPayload(historyKey(gun, revision), encodeNumber(number))
      }
      yield* this.#head(gun, account)
      yield* this.#documents(gun, account)
      yield* this.#keys(gun, account)
    }
    for (const value of this.#books.values) {
      if (value.sha256 !== null) yield this.#value(value, value.sha256)
    }
  }

  /** Returns a record whose payload is known. */
  withPayload(key: Buffer, payload: Buffer): Mended {
    const whole = this.#survey.sources.whole(key)?.equals(payload) === true
    return { key, found: { payload, origin: whole ? 'whole' : 'derived' } }
  }

  /** If a lost entry may have changed the value, accepts one that the journal does not name, but no earlier value. */
  #value({ kind, name, number, gun, earlier }: Value, sha256: string): Mended {
    const key = recordKey(kind, name)
    const { sources } = this.#survey
    if (!this.#lost.mayBeOf(gun, number)) return { key, found: sources.find(key, sha256) }
    const found = sources.find(key, undefined)
    const hash = found && hexSha256(found.payload)
    const isOld = hash !== undefined && hash !== sha256 && earlier.has(hash)
    return { key, found: isOld ? undefined : found }
  }

  *#head(gun: Gun, account: Account): IterableIterator<Mended> {
    const key = headKey(gun)
    const found = this.#lost.mayBeOf(gun, account.number)
      ? this.#laterHead(gun, account)
      : (this.#survey.sources.find(key, account.head) ?? this.#rebuilt(gun, account))
    yield { key, found }
    for (const time of this.#dueTimes(gun, found)) yield this.withPayload(dueKey(time, gun), Buffer.alloc(0))
  }

  /** Returns a head that a commit with a lost entry may have written, if no evidence of a newer one exists. */
  #laterHead(gun: Gun, { revision, head }: Account): Found | undefined {
    const found = this.#survey.sources.find(headKey(gun), undefined)
    if (found === undefined) return undefined
    const { revision: reached } = decodeHead(found.payload)
    if (reached < Math.max(revision, this.#survey.revisions.get(gun) ?? 0)) return undefined
    return reached > revision || hexSha256(found.payload) === head ? found : undefined
  }

  /** True if no entry of the repository is lost. */
  #isComplete(gun: Gun, account: Account): boolean {
    return account.history.size === account.revision && !this.#lost.mayBeOf(gun, account.number)
  }

  #dueTimes(gun: Gun, head: Found | undefined): readonly number[] {
    // If the head is lost, keep all due times: a later repair may rebuild the head from them.
    if (head === undefined) {
      const { due, sources } = this.#survey
      return (due.get(gun) ?? []).filter((time) => sources.whole(dueKey(time, gun)) !== undefined)
    }
    const { renewAt } = decodeHead(head.payload)
    return renewAt === null ? [] : [renewAt]
  }

  #rebuilt(gun: Gun, account: Account): Found | undefined {
    const history = [...account.history.values()].flatMap((number) => this.#journal.entry(number) ?? [])
    const bytesOf = (role: Role, sha256: string): Uint8Array | undefined => this.#bytes.of(gun, role, sha256)
    return unlessDamaged(() => {
      for (const head of this.#proposeHeads(history, bytesOf, this.#survey.due.get(gun) ?? [])) {
        const payload = encodeHead(head)
        if (hexSha256(payload) === account.head) return { payload, origin: 'derived' }
      }
      return undefined
    })
  }

  *#documents(gun: Gun, account: Account): IterableIterator<Mended> {
    const complete = this.#isComplete(gun, account)
    const documents = [...account.documents.values()].filter((each) => complete || !this.#isGone(gun, each))
    const stored = new Set(documents.map(({ role, sha256 }) => `${role} ${sha256}`))
    for (const document of documents) {
      const { role, version, sha256 } = document
      yield this.withPayload(versionKey(gun, role, version), Buffer.from(sha256, 'hex'))
      const isStored = (base: string): boolean => stored.has(`${role} ${base}`)
      yield { key: documentKey(gun, role, sha256), found: this.#bytes.payload(gun, document, isStored) }
    }
  }

  /** True if nothing is left of a document: a lost entry may have been a delete. */
  #isGone(gun: Gun, { role, version, sha256 }: NamedDocument): boolean {
    const { sources } = this.#survey
    return [versionKey(gun, role, version), documentKey(gun, role, sha256)].every(
      (key) => sources.raw(key) === undefined,
    )
  }

  *#keys(gun: Gun, account: Account): IterableIterator<Mended> {
    const keys = [...account.keys.values()]
    for (const { keyId, role } of keys)
      yield this.withPayload(ownerKey(keyId), encodeOwner({ gun, role: role as Role }))
    const complete = this.#isComplete(gun, account)
    for (const [role, named] of Map.groupBy(keys, (key) => key.role)) {
      const key = keysKey(gun, role)
      yield { key, found: this.#keyList(key, named, complete) }
    }
  }

  /**
   * Finds the newest list of keys. The journal has the hash of each sealed key, and tells which were used: a list with
   * exactly these keys is the newest. If an entry is lost, it may have more.
   *
   * @param named the keys of the role, according to the journal
   */
  #keyList(key: Buffer, named: readonly NamedKey[], complete: boolean): Found | undefined {
    const used = new Set(named.filter((each) => each.used).map(({ keyId }) => keyId))
    for (const { payload, origin } of this.#survey.sources.candidates(key, complete ? 'parts' : 'nothing')) {
      const list = decodeKeys(payload)
      const sealed = new Map(list.map((each) => [each.keyId, hexSha256(each.sealed)]))
      if (!named.every(({ keyId, sha256 }) => sealed.get(keyId) === sha256)) continue
      if (complete && list.length !== named.length) continue
      if (!list.some(({ keyId, pending }) => pending && used.has(keyId))) return { payload, origin }
      const marked = list.map((each) => ({ ...each, pending: each.pending && !used.has(each.keyId) }))
      return { payload: encodeKeys(marked), origin: origin === 'whole' ? 'derived' : origin }
    }
    return undefined
  }
}
