import type { Gun } from '../../tuf/gun.ts'

/** Entries of the journal that cannot be had. Whose they are tells, mostly, what each commit writes beside its entry. */
export class LostEntries {
  readonly #numbers: readonly number[]
  readonly #owners: ReadonlyMap<number, Gun>

  /** @param owners whose an entry is, by its number; not all are known */
  constructor(numbers: readonly number[], owners: ReadonlyMap<number, Gun>) {
    this.#numbers = numbers
    this.#owners = owners
  }

  /** True if one of them, after the entry of this number, is of this repository, or nobody knows whose it is. */
  mayBeOf(gun: Gun, after = 0): boolean {
    return this.#numbers.some((number) => number > after && (this.#owners.get(number) ?? gun) === gun)
  }

  /** True if there is one at all. */
  get any(): boolean {
    return this.#numbers.length > 0
  }
}
