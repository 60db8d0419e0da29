import { TrustError } from '../../errors.ts'

/** Returns the error for malformed JSON. @param offset bytes */
export function malformed(offset: number, problem: string): TrustError {
  return new TrustError('MALFORMED_JSON', `malformed JSON at byte ${offset}: ${problem}`)
}

export const QUOTE = 0x22
const BACKSLASH = 0x5c

const INTEGER = /-?(?:0|[1-9][0-9]*)/y
/** Characters that would continue the number: a fraction, an exponent, digits after a leading zero. */
const NUMBER_GOES_ON = /[.eE0-9]/
const HEX = /^[0-9a-fA-F]{4}$/
/** Characters that may follow a backslash, besides `u` with its digits. */
const ESCAPES = new Set('"\\/bfnrt')
/** Longer numbers are beyond the safe integers. */
const INTEGER_MAX_CHARACTERS = 17

/** Reads strings, integers, literals and white space. Positions are in UTF-16 units; only errors convert them to bytes. */
export class JsonScanner {
  protected readonly text: string
  protected at = 0
  /** How many things were read that canonical form writes differently: white space, members out of order, escapes. */
  protected loose = 0

  constructor(text: string) {
    this.text = text
  }

  protected string(): string {
    const text = this.text
    const start = this.at + 1
    for (let at = start; at < text.length; at += 1) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        this.at = at + 1
        return text.slice(start, at)
      }
      if (code === BACKSLASH) return this.#escapedString(start, at)
      if (code < 0x20) this.fail('control character in a string', at)
    }
    return this.fail('end of input inside a string', text.length)
  }

  /** Reads the rest of a string, from its first escape on. */
  #escapedString(start: number, firstEscape: number): string {
    const text = this.text
    for (let at = firstEscape; at < text.length;) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        // All its escapes are valid. Decoding those of 8 MB one by one would block the thread for too long.
        const value = JSON.parse(text.slice(start - 1, at + 1)) as string
        if (!value.isWellFormed()) this.fail('lone surrogate in a string', start - 1)
        this.at = at + 1
        return value
      }
      if (code < 0x20) this.fail('control character in a string', at)
      at += code === BACKSLASH ? this.#lengthOfEscape(at) : 1
    }
    return this.fail('end of input inside a string', text.length)
  }

  #lengthOfEscape(at: number): number {
    const letter = this.text[at + 1] ?? ''
    if (letter !== '"' && letter !== '\\') this.loose += 1
    if (letter === 'u') {
      if (!HEX.test(this.text.slice(at + 2, at + 6))) this.fail('\\u without four hexadecimal digits', at)
      return 6
    }
    if (!ESCAPES.has(letter)) this.fail('unknown escape in a string', at)
    return 2
  }

  protected integer(): number {
    INTEGER.lastIndex = this.at
    const digits = INTEGER.exec(this.text)?.[0] ?? this.fail('"-" without digits')
    const next = this.text[this.at + digits.length] ?? ''
    if (NUMBER_GOES_ON.test(next)) this.fail('a number that is not a plain integer')
    const value = Number(digits)
    if (digits.length > INTEGER_MAX_CHARACTERS || !Number.isSafeInteger(value)) this.fail('an integer beyond ±(2^53−1)')
    if (Object.is(value, -0)) this.fail('negative zero')
    this.at += digits.length
    return value
  }

  protected literal(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false
    this.at += word.length
    return true
  }

  protected take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false
    this.at += 1
    return true
  }

  protected skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at += 1
      this.loose += 1
    }
  }

  /** Describes the character at the current position, for messages. */
  protected found(): string {
    const code = this.text.codePointAt(this.at)
    return code === undefined ? 'end of input' : `character ${JSON.stringify(String.fromCodePoint(code))}`
  }

  protected fail(problem: string, at = this.at): never {
    throw malformed(Buffer.byteLength(this.text.slice(0, at)), problem)
  }
}
