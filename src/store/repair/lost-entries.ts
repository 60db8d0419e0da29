import type { Gun } from '../../tuf/gun.ts'

/** Journal entries that cannot be recovered. Their history records mostly tell which repositories they belong to. */
export class LostEntries {
  /** Number of the newest lost entry of each repository. */
  readonly #newest = new Map<Gun, number>()
  /** Number of the newest lost entry whose repository is unknown. */
  #newestOfAnybody = 0

  /** @param owners repositories of entries, by number; not all are known */
  constructor(numbers: readonly number[], owners: ReadonlyMap<number, Gun>) {
    for (const number of numbers) {
      const gun = owners.get(number)
      if (gun === undefined) this.#newestOfAnybody = Math.max(this.#newestOfAnybody, number)
      else this.#newest.set(gun, Math.max(this.#newest.get(gun) ?? 0, number))
    }
  }

  /** True if a lost entry after this number belongs, or may belong, to this repository. */
  mayBeOf(gun: Gun, after = 0): boolean {
    return Math.max(this.#newestOfAnybody, this.#newest.get(gun) ?? 0) > after
  }

  /** True if any entry is lost. */
  get any(): boolean {
    return this.#newestOfAnybody > 0 || this.#newest.size > 0
  }
}
