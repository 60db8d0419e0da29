import { TrustError } from '../../errors.ts'
import type { Anchor } from '../anchor.ts'
import { hexSha256, parseEntry } from '../journal.ts'
import { journalKey } from '../keyspace.ts'
import type { JournalEntry } from '../store.ts'
import type { Found, Sources } from './sources.ts'

/** Hint for damage without whose repair nothing else can be repaired. */
const REFUSED =
  'add --from DIRECTORY with a newer backup, or restore the newest one; nothing was changed, so keep what is there'

/** Hint for an end that may be lost for good. */
const END = `${REFUSED}; --without-anchor gives up what was committed after the last entry that is there`

/** Hint if nothing shows whether a backup's entry of this number is the same one. */
const NOT_ANCHORED = 'restore the newest backup; nothing was changed, so keep what is there'

/**
 * The journal of a damaged store, put together backward from the anchor: each entry, from whatever source, must have the
 * hash that the entry after it names.
 */
export class MendedJournal {
  readonly #sources: Sources
  /** Entries that were not whole in the damaged database. */
  readonly #mended = new Map<number, Found>()
  /** Number of the newest entry. */
  readonly end: number
  /** Numbers of the entries that cannot be recovered, newest first. What entries before them say may be outdated. */
  readonly lost: number[] = []
  /** True once an entry of the backup was found to be part of this journal: then so are all before it. */
  #isOfBackup = false
  /** The lowest number that was compared for that. */
  #lookedAt: number

  /**
   * @param end number of the newest entry for which the store has any evidence
   * @param mayBeOlder true if the records that a lost entry named may be left in an older state only
   * @throws TrustError DATA_DAMAGED if the journal ends before the anchor, or an entry is missing: commits would be undone
   *   silently
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

  /** Returns an entry's payload and origin; undefined if it cannot be recovered. */
  find(number: number): Found | undefined {
    const mended = this.#mended.get(number)
    if (mended !== undefined) return mended
    const payload = this.#sources.whole(journalKey(number))
    return payload === undefined ? undefined : { payload, origin: 'whole' }
  }

  /** Returns an entry; undefined if it cannot be recovered. */
  entry(number: number): JournalEntry | undefined {
    const found = this.find(number)
    return found === undefined ? undefined : parseEntry(found.payload)
  }

  /** Recovers an entry. @param expected its hash, if known @returns the hash of the previous entry, if known */
  #mend(number: number, expected: string | undefined, anchor: Anchor): string | undefined {
    const key = journalKey(number)
    const found = this.#sources.find(key, expected) ?? (expected === undefined ? this.#known(number) : undefined)
    if (found !== undefined) {
      if (found.origin !== 'whole') this.#mended.set(number, found)
      return parseEntry(found.payload).previous
    }
    if (number === anchor.number) throw refused(`the end of the journal, entry ${number}, is damaged or missing`, END)
    // If there is no trace of it, a batch was lost, and heads from before it would be taken for current.
    if (this.#sources.raw(key) === undefined) throw refused(`journal entry ${number} is missing`)
    this.lost.push(number)
    return undefined
  }

  /**
   * Returns the backup's entry of this number, if the next one is lost. It is the right one if the remains of the next one
   * name its hash, or if the backup contains a later entry of this journal.
   */
  #known(number: number): Found | undefined {
    const payload = this.#sources.saved(journalKey(number))
    if (payload === undefined) return undefined
    const after = this.#sources.raw(journalKey(number + 1))
    const isNamed = Buffer.isBuffer(after) && after.includes(`"previous":"${hexSha256(payload)}"`)
    return isNamed || this.#isInBackup(number) ? { payload, origin: 'backup' } : undefined
  }

  /**
   * True if the backup has a later entry of this journal. It may also have entries of another journal, if it was made
   * before an older backup was restored.
   */
  #isInBackup(after: number): boolean {
    while (!this.#isOfBackup && this.#lookedAt > after + 1) {
      this.#lookedAt -= 1
      const saved = this.#sources.saved(journalKey(this.#lookedAt))
      this.#isOfBackup = saved !== undefined && this.find(this.#lookedAt)?.payload.equals(saved) === true
    }
    return this.#isOfBackup
  }

  /** Checks entries after the anchor, written just before the process died: they must be whole and chain. */
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
