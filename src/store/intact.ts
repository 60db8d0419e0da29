import { TrustError } from '../errors.ts'
import type { AnchorFile } from './anchor.ts'
import type { Database } from './database/database.ts'
import type { Records } from './database/records.ts'
import { decodeFormat, type Format } from './encoding.ts'
import { OTHER_ANCHOR_HINT, REPAIR_HINT, UNSIGNED_ANCHOR_HINT } from './hints.ts'
import { EMPTY_TAIL, entryTail, hexSha256, parseEntry, type Tail } from './journal.ts'
import { formatKey, journalKey, rangeOfKind } from './keyspace.ts'

/** What must be so of a database before anything is served from it; `audit/` looks at all of it. */

/** Version of the layout of all records. A database with a higher one is refused. */
export const FORMAT_VERSION = 1

/** @throws TrustError DATA_DAMAGED, DATA_NEWER */
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
  if (format === undefined) throw new TrustError('DATA_DAMAGED', `${directory} holds no database of Countersign`)
  if (format.version > FORMAT_VERSION) {
    const text = `the database in ${directory} has format ${format.version}, this version knows ${FORMAT_VERSION}`
    throw new TrustError('DATA_NEWER', text, { hint: 'start the newer version of Countersign that wrote it' })
  }
  return format
}

/** @throws TrustError DATA_DAMAGED */
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
 * The journal must reach the anchor and agree with it there. It may go further by what was written just before the
 * process died; those entries must chain, then the anchor follows.
 *
 * @throws TrustError DATA_DAMAGED, CORRUPT, STORE_UNAVAILABLE
 */
export async function holdAgainstAnchor(
  database: Database,
  file: AnchorFile,
  store: string,
  tail: Tail,
): Promise<void> {
  const anchor = await file.read()
  if (anchor === undefined) throw damaged('the anchor has no valid signature', UNSIGNED_ANCHOR_HINT)
  if (anchor.store !== store) throw damaged('the anchor belongs to another database', OTHER_ANCHOR_HINT)
  if (anchor.number > tail.number) {
    throw damaged(
      `the database is older than its anchor: it ends with commit ${tail.number}, the anchor with ${anchor.number}`,
    )
  }
  let previous = anchor.hash
  // Of an empty journal it names no entry.
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
 * A MANIFEST that lost its end forgets the newest tables: entries are missing from the middle, a table or more of them.
 * Looked for at distances from the end that grow by a quarter: 60 look-ups for a million entries. `check` looks at all.
 *
 * @throws TrustError DATA_DAMAGED
 */
export function mustHaveNoGap(database: Database, tail: Tail): void {
  for (let distance = 1; distance < tail.number; distance += Math.ceil(distance / 4)) {
    const number = tail.number - distance
    if (isMissing(database, number)) throw damaged(`journal entry ${number} is missing, and perhaps others around it`)
  }
}

/** Of one that is damaged, all others may be right: that is no reason to serve none. */
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
