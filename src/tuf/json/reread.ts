import type { Json } from './json.ts'

/** A member of an object as it was parsed. */
export interface ReadMember {
  readonly name: string
  readonly value: Json
  /** From the quote of its name to the end of its value; canonical. */
  readonly text: string
  /** Members and list elements inside it, plus one for itself. */
  readonly count: number
}

/** The members of one version of an object, as differences from a base: a version that was parsed as a whole. */
export interface ReadMembers {
  /** The members of the base, in their order. A version without an earlier one is its own base. */
  readonly base: readonly ReadMember[]
  /** Names whose members may differ from the base, or be in only one of the two. All other members are equal. */
  readonly differing: readonly string[]
  /** False if too much differs: the next version is then parsed as a whole and becomes the new base. */
  readonly followed: boolean
}

const COMMA = 0x2c
const CLOSE_OBJECT = 0x7d
/** If less than this fraction of a version was found in its base, the next version becomes the base. */
const SAME_MIN_PART = 3 / 4

/**
 * Speeds up parsing successive versions of an object whose thousands of members mostly stay the same: a member with the
 * same text as in the base is not parsed again. Members must be sorted, as in canonical form.
 *
 * The base is always a version that was parsed as a whole, not simply the previous one: values keep the text alive that
 * they were parsed from, so each version would keep some texts of all versions before it.
 */
export class Reread {
  readonly #base: readonly ReadMember[] | undefined
  readonly #own: ReadMember[] = []
  readonly #differing: string[] = []
  #next = 0
  #found = 0
  #other = 0

  /** @param earlier the result of parsing an earlier version */
  constructor(earlier: ReadMembers | undefined) {
    this.#base = earlier?.followed === true ? earlier.base : undefined
  }

  /** Returns the known member that begins at this position, if there is one. */
  find(text: string, at: number): ReadMember | undefined {
    const member = this.#base?.[this.#next]
    if (member === undefined) return undefined
    const end = at + member.text.length
    // Three times as fast as startsWith.
    if (text.slice(at, end) !== member.text) return undefined
    const after = text.charCodeAt(end)
    // Otherwise the value may continue: 12 begins with 1.
    if (after !== COMMA && after !== CLOSE_OBJECT) return undefined
    this.#next += 1
    this.#found += 1
    return member
  }

  /** Takes note of a member that was parsed. @param canonical false if another text could have the same meaning */
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

  /** Returns the result, after all members have been read. */
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
