import { setImmediate } from 'node:timers/promises'
import { damageIn } from '../errors.ts'
import { SERVER } from '../tuf/gun.ts'
import type { Records } from './database/records.ts'
import { AT_ONCE } from './in-turns.ts'
import { entryNumber, readEntry } from './journal-reader.ts'
import type { JournalEntry, Recorded, RecordKind } from './store.ts'

/**
 * Names of the server's records of one kind that the journal says are there. A record of whose key a bit has changed is
 * not found, as if there had never been one: where that allows something, this tells.
 *
 * An entry that cannot be read is left out: what it wrote is found, unless that is damaged at the same time.
 */
export class RecordedNames implements Recorded {
  readonly #records: Records
  readonly #kind: RecordKind
  readonly #names = new Set<string>()
  /** Of the server's own history: so far it was read. */
  #revision = 0

  constructor(records: Records, kind: RecordKind) {
    this.#records = records
    this.#kind = kind
  }

  /** The first time all of the server's own history is read. @throws TrustError STORE_UNAVAILABLE */
  async readAll(): Promise<void> {
    while (this.#readNext()) if (this.#revision % AT_ONCE === 0) await setImmediate()
  }

  has(name: string): boolean {
    while (this.#readNext());
    return this.#names.has(name)
  }

  [Symbol.iterator](): Iterator<string> {
    while (this.#readNext());
    return this.#names.values()
  }

  #readNext(): boolean {
    try {
      const number = entryNumber(this.#records, SERVER, this.#revision + 1)
      if (number === undefined) return false
      this.#add(readEntry(this.#records, number))
    } catch (error) {
      damageIn(error)
    }
    this.#revision += 1
    return true
  }

  #add({ records }: JournalEntry): void {
    for (const { kind, name, sha256 } of records) {
      if (kind !== this.#kind) continue
      if (sha256 === null) this.#names.delete(name)
      else this.#names.add(name)
    }
  }
}
