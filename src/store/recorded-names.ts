import { damageIn } from '../errors.ts'
import { SERVER } from '../tuf/gun.ts'
import type { Records } from './database/records.ts'
import { entryNumber, readEntry } from './journal-reader.ts'
import type { JournalEntry, Recorded, RecordKind } from './store.ts'
import { withoutBlocking } from './without-blocking.ts'

/**
 * The names of the server's own records of one kind, according to the journal. If a bit of a record's key flips, LevelDB
 * does not find the record, as if it had never existed; this tells callers for whom a missing record permits something.
 *
 * Skips entries that cannot be read: what they wrote is still found, unless it is damaged at the same time.
 */
export class RecordedNames implements Recorded {
  readonly #records: Records
  readonly #kind: RecordKind
  readonly #names = new Set<string>()
  /** Revision up to which the server's own history has been read. */
  #revision = 0

  constructor(records: Records, kind: RecordKind) {
    this.#records = records
    this.#kind = kind
  }

  /** Catches up with the server's own history; the first call reads all of it. @throws TrustError STORE_UNAVAILABLE */
  async readAll(): Promise<void> {
    for await (const _ of withoutBlocking(this.#unread()));
  }

  has(name: string): boolean {
    for (const _ of this.#unread());
    return this.#names.has(name)
  }

  [Symbol.iterator](): Iterator<string> {
    for (const _ of this.#unread());
    return this.#names.values()
  }

  /** Reads what was not read yet, one entry at a time. */
  *#unread(): Generator<void> {
    for (;;) {
      try {
        const number = entryNumber(this.#records, SERVER, this.#revision + 1)
        if (number === undefined) return
        this.#add(readEntry(this.#records, number))
      } catch (error) {
        damageIn(error)
      }
      this.#revision += 1
      yield
    }
  }

  #add({ records }: JournalEntry): void {
    for (const { kind, name, sha256 } of records) {
      if (kind !== this.#kind) continue
      if (sha256 === null) this.#names.delete(name)
      else this.#names.add(name)
    }
  }
}
