import { setImmediate } from 'node:timers/promises'
import { damageIn } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import type { Anchor } from './anchor.ts'
import { encodeHead, encodeValue } from './encoding.ts'
import { inTurns } from './journal-reader.ts'
import { entryBytes, EMPTY_TAIL, hexSha256 } from './journal.ts'
import {
  documentKey,
  dueKey,
  formatKey,
  headKey,
  historyKey,
  journalKey,
  keysKey,
  ownerKey,
  parseKey,
  recordKey,
  versionKey,
} from './keyspace.ts'
import { openRecord } from './record.ts'
import type { StoreSnapshot } from './level.ts'
import type { JournalEntry, RecordKind } from './store.ts'

/** Something that is not as it must be. */
export interface Finding {
  /** `error`: damage, or what a client refuses; `warning`: what people should know. */
  readonly severity: 'error' | 'warning'
  /** The repository, where it is one's. */
  readonly gun?: string
  readonly text: string
}

/** Records of one store, counted by kind. */
export type RecordCounts = Record<string, number>

/**
 * The accountant's look at a store: every record whole, found both by iterating and by asking for it; the journal an
 * unbroken chain up to the anchor; and of everything else exactly what the journal says, no more and no less.
 */
export async function auditStore(
  { records, reader }: StoreSnapshot,
  readAnchor: () => Promise<Anchor | undefined>,
  report: (finding: Finding) => void,
): Promise<RecordCounts> {
  const error = (text: string, gun?: string): void =>
    report({ severity: 'error', text, ...(gun === undefined ? {} : { gun }) })
  const expected = new ExpectedRecords()
  expected.add(formatKey())
  let previous = EMPTY_TAIL.hash
  const accounts = new Map<string, Account>()
  const values = new Map<string, JournalEntry['records'][number]>()
  try {
    for await (const entry of inTurns(reader.journal())) {
      const hash = hexSha256(entryBytes(entry))
      if (entry.previous !== previous) error(`journal entry ${entry.number} does not follow the one before it`)
      previous = hash
      const account = accounts.get(entry.gun) ?? new Account()
      accounts.set(entry.gun, account)
      account.add(entry)
      for (const record of entry.records) values.set(`${record.kind} ${record.name}`, record)
      expected.add(journalKey(entry.number))
      expected.add(historyKey(entry.gun as Gun, entry.revision))
    }
  } catch (cause) {
    error(`the journal cannot be read to its end: ${damageIn(cause).message}`)
  }
  const { number, hash } = reader.tail()
  if (previous !== hash) error('the end of the journal is not where it should be')
  const anchored = await readAnchor()
  // A commit may have happened between the snapshot and this look: then the anchor is ahead.
  if (anchored === undefined || anchored.number < number || (anchored.number === number && anchored.hash !== hash)) {
    error('the anchor does not name the end of the journal')
  }

  for (const [gun, account] of accounts) {
    await setImmediate()
    try {
      checkAccount(gun as Gun, account, reader, expected, (text) => error(text, gun))
    } catch (cause) {
      error(damageIn(cause).message, gun)
    }
  }
  for (const { kind, name, sha256 } of values.values()) {
    if (sha256 === null) continue
    expected.add(recordKey(kind, name))
    try {
      const value = reader.record(kind as RecordKind, name)
      if (value !== undefined && hexSha256(encodeValue(value)) === sha256) continue
      error(`the ${kind} "${name}" is missing or was changed`)
    } catch (cause) {
      error(`the ${kind} "${name}": ${damageIn(cause).message}`)
    }
  }
  return countRecords(records, expected, error)
}

/** What the journal says of one repository. */
class Account {
  readonly documents = new Map<string, { role: string; version: number; sha256: string }>()
  readonly keys = new Map<string, { role: string; keyId: string; sha256: string }>()
  head = ''

  add(entry: JournalEntry): void {
    if (entry.kind === 'delete') this.documents.clear()
    for (const document of entry.documents) this.documents.set(`${document.version} ${document.role}`, document)
    for (const key of entry.keys) this.keys.set(key.keyId, key)
    this.head = entry.head
  }
}

function checkAccount(
  gun: Gun,
  account: Account,
  reader: StoreSnapshot['reader'],
  expected: ExpectedRecords,
  error: (text: string) => void,
): void {
  // Each by itself: of one that is damaged nothing follows for the others.
  const look = (at: () => void): void => {
    try {
      at()
    } catch (cause) {
      error(damageIn(cause).message)
    }
  }
  expected.add(headKey(gun))
  look(() => {
    const head = reader.head(gun)
    if (head === undefined) return error('it has neither head nor history')
    if (hexSha256(encodeHead(head)) !== account.head) error('its head is not the one that the journal names')
    if (head.renewAt !== null) expected.add(dueKey(head.renewAt, gun))
  })
  for (const { role, version, sha256 } of account.documents.values()) {
    expected.add(documentKey(gun, role, sha256))
    expected.add(versionKey(gun, role, version))
    look(() => {
      const document = reader.document(gun, role as Role, { version })
      if (document === undefined) error(`${role} version ${version} is missing`)
      else if (hexSha256(document.bytes) !== sha256) error(`${role} version ${version} is not what was committed`)
    })
  }
  for (const role of new Set([...account.keys.values()].map((key) => key.role))) {
    expected.add(keysKey(gun, role))
    look(() => {
      const stored = new Map(reader.keys(gun, role as Role).map((key) => [key.keyId, hexSha256(key.sealed)]))
      for (const key of account.keys.values()) {
        if (key.role !== role) continue
        if (stored.get(key.keyId) !== key.sha256) error(`the ${role} key ${key.keyId} is missing or was changed`)
        stored.delete(key.keyId)
      }
      for (const keyId of stored.keys()) error(`the ${role} key ${keyId} is not in the journal`)
    })
  }
  for (const { keyId, role } of account.keys.values()) {
    expected.add(ownerKey(keyId))
    look(() => {
      const owner = reader.keyOwner(keyId)
      if (owner?.gun !== gun || owner.role !== role) error(`the owner of key ${keyId} is not the one in the journal`)
    })
  }
}

/** Walk all records: each must be whole, expected, and the same when asked for by its key. */
async function countRecords(
  records: StoreSnapshot['records'],
  expected: ExpectedRecords,
  error: (text: string) => void,
): Promise<RecordCounts> {
  const counts: RecordCounts = {}
  let where = 'the first one'
  try {
    for await (const { key, record } of records.rawEntries({})) {
      const parsed = parseKey(key)
      where = nameOf(key)
      try {
        const payload = openRecord(key, record)
        if (records.get(key)?.equals(payload) !== true) error(`the record "${where}" is not found by its key`)
      } catch (cause) {
        error(`the record "${where}" is damaged: ${damageIn(cause).message}`)
      }
      if (!expected.remove(key)) error(`the record "${where}" is in no journal entry`)
      if (parsed !== undefined) counts[parsed.kind] = (counts[parsed.kind] ?? 0) + 1
    }
  } catch (cause) {
    error(`the records from "${where}" on cannot be listed: ${damageIn(cause).message}`)
    return counts
  }
  for (const where of expected.left()) error(`the record "${where}" is missing`)
  return counts
}

/** Keys that must be there, each exactly once. */
class ExpectedRecords {
  readonly #keys = new Set<string>()

  add(key: Buffer): void {
    this.#keys.add(key.toString('latin1'))
  }

  remove(key: Buffer): boolean {
    return this.#keys.delete(key.toString('latin1'))
  }

  left(): string[] {
    return [...this.#keys].map((text) => nameOf(Buffer.from(text, 'latin1')))
  }
}

/** A key in words. */
function nameOf(key: Buffer): string {
  const parsed = parseKey(key)
  return parsed === undefined ? key.toString('hex') : `${parsed.kind} ${parsed.parts.join(' ')}`
}
