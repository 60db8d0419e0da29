import { TrustError } from '../errors.ts'
import type { Json, JsonObject } from './json.ts'

/** Objects and lists inside one another. */
export const JSON_MAX_DEPTH = 64
/** Members of all objects and elements of all lists of one document. */
export const JSON_MAX_MEMBERS = 200_000

/** @param offset bytes */
export function malformed(offset: number, problem: string): TrustError {
  return new TrustError('MALFORMED_JSON', `malformed JSON at byte ${offset}: ${problem}`)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d

const INTEGER = /-?(?:0|[1-9][0-9]*)/y
/** What would make the number before it another number: a fraction, an exponent, digits after a leading zero. */
const NUMBER_GOES_ON = /[.eE0-9]/
const HEX = /^[0-9a-fA-F]{4}$/
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}
/** A number of more characters than this is beyond the safe integers. */
const INTEGER_MAX_CHARACTERS = 17

/**
 * An object of the document. Its prototype is empty, so that `__proto__` and `constructor` are members like any other;
 * made by a constructor, since objects without any prototype are slow ones.
 */
const Members = function () {} as unknown as { new (): Record<string, Json>; prototype: object }
Members.prototype = Object.create(null) as object

/** Recursive descent over the decoded text; positions are in UTF-16 units, and become byte offsets in errors only. */
export class JsonReader {
  readonly #text: string
  #at = 0
  #depth = 0
  #members = 0
  /** Things read that canonical form writes in another way: space, members out of order, escapes. */
  #loose = 0
  /** Where the member `signed` of the document stands, if it is in canonical form but for characters beyond ASCII. */
  canonicalSigned: { readonly start: number; readonly end: number } | undefined

  constructor(text: string) {
    this.#text = text
  }

  document(): Json {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#fail('byte order mark')
    this.#skipSpace()
    const value = this.#value()
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail(`${this.#found()} after top-level value`)
    return value
  }

  #value(): Json {
    const code = this.#text.charCodeAt(this.#at)
    if (code === QUOTE) return this.#string()
    if (code === OPEN_OBJECT) return this.#object()
    if (code === OPEN_LIST) return this.#list()
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#integer()
    if (this.#literal('true')) return true
    if (this.#literal('false')) return false
    if (this.#literal('null')) return null
    return this.#fail(`${this.#found()} where a value should begin`)
  }

  #object(): JsonObject {
    const object = new Members()
    let last = ''
    let greatest = ''
    this.#open()
    if (!this.#take(CLOSE_OBJECT)) {
      do {
        this.#skipSpace()
        const start = this.#at
        if (this.#text.charCodeAt(start) !== QUOTE) this.#fail(`${this.#found()} where a member name should begin`)
        const name = this.#string()
        // A name after all others is none of them; to ask the object would take longer than all else here.
        if (name > greatest) greatest = name
        else if (name in object) this.#fail(`duplicate member ${JSON.stringify(name.slice(0, 40))}`, start)
        this.#skipSpace()
        if (!this.#take(COLON)) this.#fail(`${this.#found()} after a member name`)
        if (name < last) this.#loose += 1
        last = name
        object[name] = this.#depth === 1 && name === 'signed' ? this.#signed() : this.#member()
      } while (this.#take(COMMA))
      if (!this.#take(CLOSE_OBJECT)) this.#fail(`${this.#found()} after a member`)
    }
    this.#depth -= 1
    return object
  }

  #signed(): Json {
    const start = this.#at
    const looseBefore = this.#loose
    const value = this.#member()
    if (this.#loose === looseBefore) this.canonicalSigned = { start, end: this.#at }
    return value
  }

  #list(): Json[] {
    const list: Json[] = []
    this.#open()
    if (!this.#take(CLOSE_LIST)) {
      do list.push(this.#member())
      while (this.#take(COMMA))
      if (!this.#take(CLOSE_LIST)) this.#fail(`${this.#found()} after a list element`)
    }
    this.#depth -= 1
    return list
  }

  #open(): void {
    this.#depth += 1
    if (this.#depth > JSON_MAX_DEPTH) this.#fail(`nested more than ${JSON_MAX_DEPTH} deep`)
    this.#at += 1
    this.#skipSpace()
  }

  /** One value inside an object or list, with the white space around it. */
  #member(): Json {
    this.#members += 1
    if (this.#members > JSON_MAX_MEMBERS) this.#fail(`more than ${JSON_MAX_MEMBERS} members and list elements`)
    this.#skipSpace()
    const value = this.#value()
    this.#skipSpace()
    return value
  }

  #string(): string {
    const text = this.#text
    const start = this.#at + 1
    for (let at = start; at < text.length; at += 1) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        this.#at = at + 1
        return text.slice(start, at)
      }
      if (code === BACKSLASH) return this.#escapedString(start, at)
      if (code < 0x20) this.#fail('control character in a string', at)
    }
    return this.#fail('end of input inside a string', text.length)
  }

  /** The rest of a string, from its first escape on. */
  #escapedString(start: number, firstEscape: number): string {
    const text = this.#text
    let value = text.slice(start, firstEscape)
    let plain = firstEscape
    for (let at = firstEscape; at < text.length;) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        value += text.slice(plain, at)
        if (!value.isWellFormed()) this.#fail('lone surrogate in a string', start - 1)
        this.#at = at + 1
        return value
      }
      if (code < 0x20) this.#fail('control character in a string', at)
      if (code === BACKSLASH) {
        value += text.slice(plain, at) + this.#escape(at)
        at += text[at + 1] === 'u' ? 6 : 2
        plain = at
      } else at += 1
    }
    return this.#fail('end of input inside a string', text.length)
  }

  #escape(at: number): string {
    const letter = this.#text[at + 1] ?? ''
    if (letter !== '"' && letter !== '\\') this.#loose += 1
    if (letter === 'u') {
      const digits = this.#text.slice(at + 2, at + 6)
      if (!HEX.test(digits)) this.#fail('\\u without four hexadecimal digits', at)
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    return ESCAPES[letter] ?? this.#fail('unknown escape in a string', at)
  }

  #integer(): number {
    INTEGER.lastIndex = this.#at
    const digits = INTEGER.exec(this.#text)?.[0] ?? this.#fail('"-" without digits')
    const next = this.#text[this.#at + digits.length] ?? ''
    if (NUMBER_GOES_ON.test(next)) this.#fail('a number that is not a plain integer')
    const value = Number(digits)
    if (digits.length > INTEGER_MAX_CHARACTERS || !Number.isSafeInteger(value))
      this.#fail('an integer beyond ±(2^53−1)')
    if (Object.is(value, -0)) this.#fail('negative zero')
    this.#at += digits.length
    return value
  }

  #literal(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  #take(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false
    this.#at += 1
    return true
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at += 1
      this.#loose += 1
    }
  }

  /** What stands at the current position, for messages. */
  #found(): string {
    const code = this.#text.codePointAt(this.#at)
    return code === undefined ? 'end of input' : `character ${JSON.stringify(String.fromCodePoint(code))}`
  }

  #fail(problem: string, at = this.#at): never {
    throw malformed(Buffer.byteLength(this.#text.slice(0, at)), problem)
  }
}
