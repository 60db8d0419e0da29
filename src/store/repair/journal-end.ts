import { TrustError } from '../../errors.ts'
import type { Anchor } from '../anchor.ts'
import type { Records } from '../database/records.ts'
import { readFormat } from '../intact.ts'
import { EMPTY_TAIL, hexSha256, parseEntry } from '../journal.ts'
import { formatKey, journalKey } from '../keyspace.ts'
import { wholeIn, type Found, type Sources } from './sources.ts'
import type { Survey } from './survey.ts'

/**
 * What stands for an anchor that does not count: the newest entry that anything tells of. Whether there was a newer one is
 * known to nobody.
 *
 * @param directory for errors: where the damaged database lies
 * @param ignored the anchor that does not count, if it can be read
 * @throws TrustError DATA_DAMAGED, DATA_NEWER; WRONG_STATE if a backup goes on after it
 */
export function endWithoutAnchor(
  damaged: Records,
  directory: string,
  { sources, newest }: Survey,
  ignored: Anchor | undefined,
): Anchor {
  const store = storeIn(damaged, directory, ignored)
  // One that is damaged is not among those that tell of themselves.
  const end = sources.raw(journalKey(newest + 1)) === undefined ? newest : newest + 1
  const hash = end === EMPTY_TAIL.number ? EMPTY_TAIL.hash : hashOf(sources.find(journalKey(end), undefined))
  if (hash !== undefined) {
    mustNotGoOn(sources, end, hash)
    return { store, number: end, hash }
  }
  const text = `the end of the journal, entry ${end}, is damaged, and without an anchor nothing tells what it was`
  throw new TrustError('DATA_DAMAGED', text, { hint: 'restore the newest backup; nothing was changed' })
}

/** Which store it is: of a database whose first record cannot be read an anchor tells, also one that does not count. */
function storeIn(damaged: Records, directory: string, ignored: Anchor | undefined): string {
  if (wholeIn(damaged, formatKey()) !== undefined) return readFormat(damaged, directory).store
  if (ignored !== undefined) return ignored.store
  const text = `the first record of the database in ${directory} cannot be read, and without an anchor nothing tells what it was`
  throw new TrustError('DATA_DAMAGED', text, {
    hint: 'put the anchor of a backup of any age in its place; without one, nothing can be repaired',
  })
}

/**
 * What the backup has of after the end is not lost, and would be given up unseen: with an anchor that names it, it is taken.
 *
 * @throws TrustError WRONG_STATE
 */
function mustNotGoOn(sources: Sources, end: number, hash: string): void {
  const next = sources.saved(journalKey(end + 1))
  if (next === undefined || parseEntry(next).previous !== hash) return
  throw new TrustError('WRONG_STATE', `the database ends with entry ${end} of the journal, and the backup goes on`, {
    hint: 'leave out --without-anchor, and nothing of it is given up; where the anchor is lost, put that of the backup in its place',
  })
}

function hashOf(entry: Found | undefined): string | undefined {
  return entry && hexSha256(entry.payload)
}
