import { damageIn, TrustError } from '../errors.ts'
import { LimitedMap } from '../memory/limited-map.ts'
import { ownText } from '../memory/own-bytes.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import { openRecord, stampOf } from './database/record.ts'
import type { Records } from './database/records.ts'
import { documentsIn } from './documents.ts'
import { decodeHead, decodeKeys, decodeOwner, decodeValue } from './encoding.ts'
import { DAMAGED_HINT } from './hints.ts'
import { readJournal } from './journal-reader.ts'
import {
  dueKey,
  dueUntil,
  headKey,
  historyKey,
  keysKey,
  ownerKey,
  parseKey,
  rangeOf,
  rangeOfKind,
  rangeOfRecords,
  recordKey,
} from './keyspace.ts'
import { Recall } from './recall.ts'
import { RecordedNames } from './recorded-names.ts'
import type { Due, KeyOwner, RecordKind, Store, StoredKey } from './store.ts'
import type { Writes } from './writes.ts'

/** How many owners of keys are cached. */
const OWNERS_MAX = 5_000

/** The reading half of a store. */
export type StoreReader = Omit<Store, 'commit' | 'readiness' | 'close'>

/**
 * Returns the reading half of a store over these records.
 *
 * @param tail returns the end of the journal
 * @param writes counts the writes to the database that is read
 */
export function readerOver(records: Records, tail: Store['tail'], writes: Writes): StoreReader {
  const head = headsIn(records, writes)
  const keys = new Recall<readonly StoredKey[]>(records, decodeKeys)
  const recorded = new Map<RecordKind, RecordedNames>()
  return {
    head,
    stamp(gun) {
      const record = records.raw(headKey(gun))
      return record === undefined ? undefined : stampOf(record)
    },
    writes: (gun) => writes.of(gun),
    document: documentsIn(records),
    keys(gun, role, known) {
      const key = keysKey(gun, role)
      return (known?.keysAt === undefined ? keys.get(key) : keys.since(key, known.keysAt)) ?? []
    },
    async keysOf(gun) {
      const found: StoredKey[] = []
      for await (const { payload } of records.entries(rangeOf('keys', gun))) found.push(...decodeKeys(payload))
      return found
    },
    keyOwner: ownersIn(records),
    record(kind, name) {
      const payload = records.get(recordKey(kind, name))
      return payload === undefined ? undefined : decodeValue(payload)
    },
    async recorded(kind) {
      const names = recorded.get(kind) ?? new RecordedNames(records, kind)
      recorded.set(kind, names)
      await names.readAll()
      return names
    },
    async *records(kind) {
      for await (const { key, record } of records.rawEntries(rangeOfRecords(kind))) {
        yield { kind, name: String(parseKey(key)?.parts[1] ?? ''), ...valueIn(key, record) }
      }
    },
    async due(time, limit, after) {
      const start = after === undefined ? rangeOfKind('due') : { gt: dueKey(after.renewAt, after.gun) }
      const found: Due[] = []
      for await (const key of records.keys({ ...start, lt: dueUntil(time), limit })) {
        const [renewAt, gun] = parseKey(key)?.parts ?? []
        if (typeof renewAt === 'number' && typeof gun === 'string') found.push({ gun: gun as Gun, renewAt })
      }
      return found
    },
    async *guns(limit, after) {
      const { lt } = rangeOfKind('head')
      // LevelDB continues after a block that it cannot read, and throws at the end.
      for await (const key of records.keys({ gt: headKey(after ?? SERVER), lt, limit }))
        yield key.toString('utf8', 1) as Gun
    },
    journal(query = {}) {
      const revision = query.gun === undefined ? 0 : (head(query.gun)?.revision ?? 0)
      return readJournal(records, tail().number, revision, query)
    },
    tail,
  }
}

function headsIn(records: Records, writes: Writes): Store['head'] {
  const heads = new Recall(records, decodeHead)
  return (gun) => {
    const key = headKey(gun)
    const written = writes.of(gun)
    const found = written === undefined ? heads.get(key) : heads.since(key, written)
    if (found !== undefined || records.raw(historyKey(gun, 1)) === undefined) return found
    // There is a history but no head: the first commit came between the two reads, or a bit of the head's key flipped, so
    // that LevelDB does not find it. The repository must not be taken for a new one, which anybody could claim.
    const now = heads.get(key)
    if (now === undefined) throw new TrustError('CORRUPT', `the store lacks the head of ${gun}`, { hint: DAMAGED_HINT })
    return now
  }
}

/** The owner of a key never changes, so it can be cached for ever. */
function ownersIn(records: Records): Store['keyOwner'] {
  const owners = new LimitedMap<string, KeyOwner>(OWNERS_MAX)
  return (keyId) => {
    const known = owners.get(keyId)
    if (known !== undefined) return known
    const payload = records.get(ownerKey(keyId))
    if (payload === undefined) return undefined
    const owner = decodeOwner(payload)
    owners.set(ownText(keyId), owner)
    return owner
  }
}

function valueIn(key: Buffer, record: Buffer): { value: unknown } | { damaged: string } {
  try {
    return { value: decodeValue(openRecord(key, record)) }
  } catch (error) {
    return { damaged: damageIn(error).message }
  }
}
