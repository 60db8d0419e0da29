import { TrustError } from '../../errors.ts'
import type { Anchor } from '../anchor.ts'
import type { Records } from '../database/records.ts'
import { readFormat } from '../intact.ts'
import { EMPTY_TAIL, hexSha256, parseEntry } from '../journal.ts'
import { formatKey, journalKey } from '../keyspace.ts'
import { wholeIn, type Found, type Sources } from './sources.ts'
import type { Survey } from './survey.ts'

/**
 * Returns a substitute for an anchor that does not count: the newest entry for which there is any evidence. Nothing shows
 * whether there was a newer one.
 *
 * @param directory of the damaged database, for errors
 * @param ignored the anchor that does not count, if it can be read
 * @throws TrustError DATA_DAMAGED, DATA_NEWER; WRONG_STATE if the backup's journal continues after that entry
 */
export function endWithoutAnchor(
  damaged: Records,
  directory: string,
  { sources, newest }: Survey,
  ignored: Anchor | undefined,
): Anchor {
  const store = storeIn(damaged, directory, ignored)
  // A damaged last entry is not counted in `newest`.
  const end = sources.raw(journalKey(newest + 1)) === undefined ? newest : newest + 1
  const hash = end === EMPTY_TAIL.number ? EMPTY_TAIL.hash : hashOf(sources.find(journalKey(end), undefined))
  if (hash !== undefined) {
    backupMustNotContinue(sources, end, hash)
    return { store, number: end, hash }
  }
  const text = `the end of the journal, entry ${end}, is damaged, and without an anchor there is no way to tell what it was`
  throw new TrustError('DATA_DAMAGED', text, { hint: 'restore the newest backup; nothing was changed' })
}

/** Returns the store's id. If the database's first record cannot be read, even an anchor that does not count has it. */
function storeIn(damaged: Records, directory: string, ignored: Anchor | undefined): string {
  if (wholeIn(damaged, formatKey()) !== undefined) return readFormat(damaged, directory).store
  if (ignored !== undefined) return ignored.store
  const text = `the first record of the database in ${directory} cannot be read, and without an anchor there is no way to tell what it was`
  throw new TrustError('DATA_DAMAGED', text, {
    hint: 'put the anchor from a backup of any age in its place; without one, nothing can be repaired',
  })
}

/**
 * Refuses an end after which the backup has further entries: they are not lost, but would be given up silently. With an
 * anchor that names them, they are taken.
 *
 * @throws TrustError WRONG_STATE
 */
function backupMustNotContinue(sources: Sources, end: number, hash: string): void {
  const next = sources.saved(journalKey(end + 1))
  if (next === undefined || parseEntry(next).previous !== hash) return
  throw new TrustError('WRONG_STATE', `the database ends with entry ${end} of the journal, but the backup goes on`, {
    hint: 'leave out --without-anchor, so that none of that is given up; if the anchor is lost, put the one from the backup in its place',
  })
}

function hashOf(entry: Found | undefined): string | undefined {
  return entry && hexSha256(entry.payload)
}
