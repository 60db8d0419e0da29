import type { Gun } from '../../tuf/gun.ts'

/** Entries of the journal that cannot be had. Whose they are tells, mostly, what each commit writes beside its entry. */
export class LostEntries {
  /** Number of the newest of each repository. */
  readonly #newest = new Map<Gun, number>()
  /** Number of the newest of which nobody knows whose it is. */
  #newestOfAnybody = 0

  /** @param owners whose an entry is, by its number; not all are known */
  constructor(numbers: readonly number[], owners: ReadonlyMap<number, Gun>) {
    for (const number of numbers) {
      const gun = owners.get(number)
      if (gun === undefined) this.#newestOfAnybody = Math.max(this.#newestOfAnybody, number)
      else this.#newest.set(gun, Math.max(this.#newest.get(gun) ?? 0, number))
    }
  }

  /** True if one of them, after the entry of this number, is of this repository, or nobody knows whose it is. */
  mayBeOf(gun: Gun, after = 0): boolean {
    return Math.max(this.#newestOfAnybody, this.#newest.get(gun) ?? 0) > after
  }

  /** True if there is one at all. */
  get any(): boolean {
    return this.#newestOfAnybody > 0 || this.#newest.size > 0
  }
}
