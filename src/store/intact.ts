import { TrustError } from '../errors.ts'
import type { AnchorFile } from './anchor.ts'
import type { Database } from './database/database.ts'
import type { Records } from './database/records.ts'
import { decodeFormat, type Format } from './encoding.ts'
import { OTHER_ANCHOR_HINT, OTHER_DATABASE_HINT, REPAIR_HINT } from './hints.ts'
import { EMPTY_TAIL, entryTail, hexSha256, parseEntry, type Tail } from './journal.ts'
import { formatKey, journalKey, rangeOfKind } from './keyspace.ts'

/** Checks a database before anything is served from it. The complete check is in `audit/`. */

/** Version of the layout of all records. Databases with a higher version are refused. */
export const FORMAT_VERSION = 1

/** Reads the first record. @throws TrustError DATA_DAMAGED, DATA_NEWER */
export function readFormat(database: Records, directory: string): Format {
  let format: Format | undefined
  try {
    const payload = database.get(formatKey())
    format = payload === undefined ? undefined : decodeFormat(payload)
  } catch (cause) {
    throw new TrustError('DATA_DAMAGED', `the first record of the database in ${directory} is damaged`, {
      hint: REPAIR_HINT,
      cause,
    })
  }
  if (format === undefined)
    throw new TrustError('DATA_DAMAGED', `${directory} holds no Countersign database`, { hint: OTHER_DATABASE_HINT })
  if (format.version > FORMAT_VERSION) {
    const text = `the database in ${directory} has format ${format.version}, but this version knows ${FORMAT_VERSION}`
    throw new TrustError('DATA_NEWER', text, { hint: 'start the newer version of Countersign that wrote it' })
  }
  return format
}

/** Reads the end of the journal. @throws TrustError DATA_DAMAGED */
export async function readTail(database: Database): Promise<Tail> {
  try {
    for await (const { payload } of database.entries({ ...rangeOfKind('journal'), reverse: true, limit: 1 })) {
      return entryTail(parseEntry(payload), payload)
    }
    return EMPTY_TAIL
  } catch (cause) {
    throw new TrustError('DATA_DAMAGED', 'the end of the journal is damaged', { hint: REPAIR_HINT, cause })
  }
}

/**
 * Checks that the journal reaches the anchor and agrees with it. Entries written just before the process died may follow;
 * they must chain, and the anchor is then moved to the last of them.
 *
 * @throws TrustError DATA_DAMAGED, CORRUPT, STORE_UNAVAILABLE
 */
export async function checkAgainstAnchor(
  database: Database,
  file: AnchorFile,
  store: string,
  tail: Tail,
): Promise<void> {
  const anchor = await file.read()
  if (anchor.store !== store) throw damaged('the anchor belongs to another database', OTHER_ANCHOR_HINT)
  if (anchor.number > tail.number) {
    throw damaged(
      `the database is older than its anchor: it ends with commit ${tail.number}, the anchor with ${anchor.number}`,
    )
  }
  let previous = anchor.hash
  // The anchor of an empty journal names no entry.
  for (let number = Math.max(1, anchor.number); number <= tail.number; number += 1) {
    const payload = database.get(journalKey(number))
    if (payload === undefined) throw damaged(`journal entry ${number} is missing`)
    const hash = hexSha256(payload)
    const chains = number === anchor.number ? hash === anchor.hash : parseEntry(payload).previous === previous
    if (!chains) throw damaged(`journal entry ${number} is not the one that the anchor names, or does not follow it`)
    previous = hash
  }
  if (tail.number > anchor.number) file.write({ store, number: tail.number, hash: tail.hash })
}

/**
 * Checks that the journal has no large gap: a MANIFEST that lost its end forgets the newest tables, and with them a
 * stretch of entries in the middle. Probes at distances from the end that grow by a quarter, 60 look-ups for a million
 * entries. `check` looks at all.
 *
 * @throws TrustError DATA_DAMAGED
 */
export function mustHaveNoGap(database: Database, tail: Tail): void {
  for (let distance = 1; distance < tail.number; distance += Math.ceil(distance / 4)) {
    const number = tail.number - distance
    if (isMissing(database, number)) throw damaged(`journal entry ${number} is missing, and perhaps others around it`)
  }
}

/** False for a damaged entry: all others may be intact, so that is no reason to refuse to start. */
function isMissing(database: Database, number: number): boolean {
  try {
    return database.raw(journalKey(number)) === undefined
  } catch {
    return false
  }
}

function damaged(text: string, hint = REPAIR_HINT): TrustError {
  return new TrustError('DATA_DAMAGED', text, { hint })
}
