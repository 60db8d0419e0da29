import type { Json } from './json.ts'

/** A member of an object as it was read. */
export interface ReadMember {
  readonly name: string
  readonly value: Json
  /** From the quote of its name to the end of its value; canonical. */
  readonly text: string
  /** Members and list elements of it, itself among them. */
  readonly count: number
}

/** The members of one version of an object, told as what differs from a base: a version that was read as a whole. */
export interface ReadMembers {
  /** The members of the base, in their order. A version without an earlier one is its own base. */
  readonly base: readonly ReadMember[]
  /** Names that may say something else here than in the base, or stand in one of them only. All else is the same. */
  readonly differing: readonly string[]
  /** False: too much differs, and the next version is to be read as a whole, to become the new base. */
  readonly followed: boolean
}

const COMMA = 0x2c
const CLOSE_OBJECT = 0x7d
/** If less than this part of a version was found in its base, the next version becomes the base. */
const SAME_MIN_PART = 3 / 4

/**
 * Reads an object of which one version after the other comes, with thousands of members that stay as they are: where
 * the very text of a member of the base stands again, it is not parsed again. Members must be in order, as canonical
 * ones are.
 *
 * The base is always a version that was read as a whole, not simply the one before: values keep the text alive that
 * they were read from, and so each version would keep a few texts of all before it.
 */
export class Reread {
  readonly #base: readonly ReadMember[] | undefined
  readonly #own: ReadMember[] = []
  readonly #differing: string[] = []
  #next = 0
  #found = 0
  #other = 0

  /** @param earlier what came of the reading of an earlier version */
  constructor(earlier: ReadMembers | undefined) {
    this.#base = earlier?.followed === true ? earlier.base : undefined
  }

  /** The member that begins at this place, if it is known. */
  find(text: string, at: number): ReadMember | undefined {
    const member = this.#base?.[this.#next]
    if (member === undefined) return undefined
    const end = at + member.text.length
    // Three times as quick as startsWith.
    if (text.slice(at, end) !== member.text) return undefined
    const after = text.charCodeAt(end)
    // Else the value may go on: 1 begins like 12.
    if (after !== COMMA && after !== CLOSE_OBJECT) return undefined
    this.#next += 1
    this.#found += 1
    return member
  }

  /** One that was not known has been read. @param canonical false: its text says the same as another one */
  read(member: ReadMember, canonical: boolean): void {
    if (this.#base === undefined) {
      if (canonical) this.#own.push(member)
      else this.#differing.push(member.name)
      return
    }
    this.#other += 1
    this.#differing.push(member.name)
    while ((this.#base[this.#next]?.name ?? member.name) < member.name) this.#skip(this.#base)
    if (this.#base[this.#next]?.name === member.name) this.#next += 1
  }

  /** Once all has been read. */
  end(): ReadMembers {
    const base = this.#base
    if (base === undefined) return { base: this.#own, differing: this.#differing, followed: true }
    while (this.#next < base.length) this.#skip(base)
    const followed = this.#found >= (this.#found + this.#other) * SAME_MIN_PART
    return { base, differing: this.#differing, followed }
  }

  #skip(base: readonly ReadMember[]): void {
    this.#differing.push(base[this.#next]?.name ?? '')
    this.#next += 1
  }
}
