import type { Gun } from '../../tuf/gun.ts'
import type { JournalEntry } from '../store.ts'
import { Account } from './account.ts'

/** What the journal says about one record: a user, a token … */
export type Value = JournalEntry['records'][number] & {
  /** The number of the newest entry about it, and the repository of that entry. */
  readonly number: number
  readonly gun: Gun
  /** Hashes of its earlier values. */
  readonly earlier: ReadonlySet<string>
}

/** The records of the journal's entries, summed up. */
export class Values {
  readonly #values = new Map<string, Value & { readonly earlier: Set<string> }>()

  /** Adds an entry. The caller adds them in order and skips those that cannot be read. */
  add({ gun, number, records }: JournalEntry): void {
    for (const record of records) {
      const name = nameOf(record.kind, record.name)
      const before = this.#values.get(name)
      // One growing set per record: copies would take quadratic time if somebody stages and discards roots often.
      const earlier = before?.earlier ?? new Set<string>()
      if (before?.sha256 != null) earlier.add(before.sha256)
      this.#values.set(name, { ...record, number, gun: gun as Gun, earlier })
    }
  }

  /** Returns the newest state of a record; undefined if the journal never mentions it. */
  value(kind: string, name: string): Value | undefined {
    return this.#values.get(nameOf(kind, name))
  }

  /** The newest state of each record. */
  get values(): Iterable<Value> {
    return this.#values.values()
  }
}

/** Records and repositories according to the journal; `repair` works from this. */
export class Books extends Values {
  readonly accounts = new Map<Gun, Account>()

  override add(entry: JournalEntry): void {
    super.add(entry)
    const gun = entry.gun as Gun
    const account = this.accounts.get(gun) ?? new Account()
    this.accounts.set(gun, account)
    account.add(entry)
  }
}

function nameOf(kind: string, name: string): string {
  return `${kind} ${name}`
}
