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

const COMMA = 0x2c
const CLOSE_OBJECT = 0x7d
/** With less of an object that is the same as before, what is the same is looked for in the newer one from now on. */
const SAME_MIN_PART = 3 / 4

/**
 * Members of an object that is read version after version, thousands of which stay as they are: where the very text of one
 * that was read before stands again, it says what it said. Both must be in the same order, as canonical ones are.
 *
 * What is followed is always one version that was read as a whole, not the one before: values hold the text that they were
 * read from, and each version would hold a few from all before it.
 */
export class Reread {
  readonly #earlier: readonly ReadMember[] | undefined
  readonly #own: ReadMember[] = []
  #next = 0
  #found = 0
  #other = 0

  /** @param earlier undefined: there is none to follow */
  constructor(earlier: readonly ReadMember[] | undefined) {
    this.#earlier = earlier
  }

  /** The member that begins at this place, if it is known. */
  find(text: string, at: number): ReadMember | undefined {
    const member = this.#earlier?.[this.#next]
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
    if (this.#earlier === undefined) {
      if (canonical) this.#own.push(member)
      return
    }
    this.#other += 1
    while ((this.#earlier[this.#next]?.name ?? member.name) < member.name) this.#next += 1
    if (this.#earlier[this.#next]?.name === member.name) this.#next += 1
  }

  /** For the next version; undefined: it is to be read as a whole. */
  get members(): readonly ReadMember[] | undefined {
    if (this.#earlier === undefined) return this.#own
    return this.#found >= (this.#found + this.#other) * SAME_MIN_PART ? this.#earlier : undefined
  }
}
