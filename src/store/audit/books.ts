import type { Gun } from '../../tuf/gun.ts'
import type { JournalEntry } from '../store.ts'
import { Account } from './account.ts'

/** What the journal says of one record beside the metadata: a user, a token … */
export type Value = JournalEntry['records'][number] & {
  /** Of the entry that says so, and whose that is. */
  readonly number: number
  readonly gun: Gun
  /** What it was before: hashes. */
  readonly earlier: ReadonlySet<string>
}

/** What the journal says of records beside the metadata, added up. */
export class Values {
  readonly #values = new Map<string, Value & { readonly earlier: Set<string> }>()

  /** Entries are added in their order; one that cannot be read is left out. */
  add({ gun, number, records }: JournalEntry): void {
    for (const record of records) {
      const name = nameOf(record.kind, record.name)
      const before = this.#values.get(name)
      // One that grows: who stages a root and discards it, again and again, would have ever longer ones copied.
      const earlier = before?.earlier ?? new Set<string>()
      if (before?.sha256 != null) earlier.add(before.sha256)
      this.#values.set(name, { ...record, number, gun: gun as Gun, earlier })
    }
  }

  /** The newest that is said of it; undefined: nothing ever was. */
  value(kind: string, name: string): Value | undefined {
    return this.#values.get(nameOf(kind, name))
  }

  /** The newest of each kind and name. */
  get values(): Iterable<Value> {
    return this.#values.values()
  }
}

/** The same, and what it says of each repository: what `repair` makes a store whole by. */
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
