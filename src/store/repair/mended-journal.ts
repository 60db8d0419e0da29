import { TrustError } from '../../errors.ts'
import type { Anchor } from '../anchor.ts'
import { hexSha256, parseEntry } from '../journal.ts'
import { journalKey } from '../keyspace.ts'
import type { JournalEntry } from '../store.ts'
import type { Found, Sources } from './sources.ts'

/** What nothing else is repaired without. */
const REFUSED =
  'add --from DIRECTORY with a newer backup, or restore the newest one; nothing was changed, so keep what is there'

/** About an end that may be lost for good. */
const END = `${REFUSED}; --without-anchor gives up what was committed after the last entry that is there`

/** Nothing tells whether a backup's entry of this number is the same one. */
const NOT_ANCHORED = 'restore the newest backup; nothing was changed, so keep what is there'

/**
 * The journal of a damaged store: each entry is the one whose hash the entry after it has, back from the anchor, wherever
 * it was taken from.
 */
export class MendedJournal {
  readonly #sources: Sources
  /** Those that were not whole in the damaged database. */
  readonly #mended = new Map<number, Found>()
  /** Number of the newest entry. */
  readonly end: number
  /** Of the entries that cannot be had, newest first: what entries before them say may be old. */
  readonly lost: number[] = []
  /** True once an entry of the backup was found to be the one of the journal: those before it are, too. */
  #isOfBackup = false
  /** The lowest number that was looked at for that. */
  #lookedAt: number

  /**
   * @param end number of the newest entry that anything stored tells of
   * @param mayBeOlder true: of what an entry names that cannot be had, an older state may be all that is left
   * @throws TrustError DATA_DAMAGED if it ends before the anchor, or an entry is missing: commits would be undone unseen
   */
  constructor(sources: Sources, anchor: Anchor, end: number, mayBeOlder: boolean) {
    this.#sources = sources
    this.#lookedAt = anchor.number + 1
    this.end = Math.max(end, anchor.number)
    let expected: string | undefined = anchor.hash
    for (let number = anchor.number; number > 0; number -= 1) expected = this.#mend(number, expected, anchor)
    this.#followAnchor(anchor)
    if (mayBeOlder && this.lost.length > 0) {
      throw refused(`journal entry ${this.lost[0]} is damaged, and tables of the database may be gone`)
    }
  }

  /** @returns undefined if it cannot be had */
  find(number: number): Found | undefined {
    const mended = this.#mended.get(number)
    if (mended !== undefined) return mended
    const payload = this.#sources.whole(journalKey(number))
    return payload === undefined ? undefined : { payload, origin: 'whole' }
  }

  /** @returns undefined if it cannot be had */
  entry(number: number): JournalEntry | undefined {
    const found = this.find(number)
    return found === undefined ? undefined : parseEntry(found.payload)
  }

  /** @param expected hash of the entry, if it is known @returns that of the entry before it */
  #mend(number: number, expected: string | undefined, anchor: Anchor): string | undefined {
    const key = journalKey(number)
    const found = this.#sources.find(key, expected) ?? (expected === undefined ? this.#known(number) : undefined)
    if (found !== undefined) {
      if (found.origin !== 'whole') this.#mended.set(number, found)
      return parseEntry(found.payload).previous
    }
    if (number === anchor.number) throw refused(`the end of the journal, entry ${number}, is damaged or missing`, END)
    // One that was never seen is a batch that was lost, and heads from before it would be taken for current.
    if (this.#sources.raw(key) === undefined) throw refused(`journal entry ${number} is missing`)
    this.lost.push(number)
    return undefined
  }

  /**
   * The backup's entry of this number, where that after it cannot be had: it is the one if what is left of that names it, or
   * if the backup has a later one of the journal.
   */
  #known(number: number): Found | undefined {
    const payload = this.#sources.saved(journalKey(number))
    if (payload === undefined) return undefined
    const after = this.#sources.raw(journalKey(number + 1))
    const isNamed = Buffer.isBuffer(after) && after.includes(`"previous":"${hexSha256(payload)}"`)
    return isNamed || this.#isInBackup(number) ? { payload, origin: 'backup' } : undefined
  }

  /** A backup may have been made before another one was restored: then what follows is of another journal. */
  #isInBackup(after: number): boolean {
    while (!this.#isOfBackup && this.#lookedAt > after + 1) {
      this.#lookedAt -= 1
      const saved = this.#sources.saved(journalKey(this.#lookedAt))
      this.#isOfBackup = saved !== undefined && this.find(this.#lookedAt)?.payload.equals(saved) === true
    }
    return this.#isOfBackup
  }

  /** What was written just before the process died: it must be whole and follow the anchor. */
  #followAnchor(anchor: Anchor): void {
    let previous = anchor.hash
    for (let number = anchor.number + 1; number <= this.end; number += 1) {
      const found = this.#sources.find(journalKey(number), undefined)
      if (found === undefined || parseEntry(found.payload).previous !== previous) {
        throw refused(`journal entry ${number}, after the anchor, is damaged or missing`, NOT_ANCHORED)
      }
      if (found.origin !== 'whole') this.#mended.set(number, found)
      previous = hexSha256(found.payload)
    }
  }
}

function refused(text: string, hint = REFUSED): TrustError {
  return new TrustError('DATA_DAMAGED', text, { hint })
}
