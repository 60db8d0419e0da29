import type { Gun } from '../tuf/gun.ts'
import { Account } from './account.ts'
import type { JournalEntry } from './store.ts'

/** What the journal says of one record beside the metadata: a user, a token … */
export type Value = JournalEntry['records'][number] & {
  /** Of the entry that says so, and whose that is. */
  readonly number: number
  readonly gun: Gun
  /** What it was before: hashes. */
  readonly earlier: ReadonlySet<string>
}

/** What the journal says, added up: what `check` holds all that is stored against, and `repair` makes it whole by. */
export class Books {
  readonly accounts = new Map<Gun, Account>()
  readonly #values = new Map<string, Value>()

  /** Entries are added in their order; one that cannot be read is left out. */
  add(entry: JournalEntry): void {
    const gun = entry.gun as Gun
    const account = this.accounts.get(gun) ?? new Account()
    this.accounts.set(gun, account)
    account.add(entry)
    for (const record of entry.records) {
      const before = this.value(record.kind, record.name)
      const earlier = new Set([...(before?.earlier ?? []), ...(before?.sha256 == null ? [] : [before.sha256])])
      this.#values.set(nameOf(record.kind, record.name), { ...record, number: entry.number, gun, earlier })
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

function nameOf(kind: string, name: string): string {
  return `${kind} ${name}`
}
