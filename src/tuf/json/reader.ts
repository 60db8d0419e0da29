import type { Json, JsonObject } from './json.ts'
import { Reread, type ReadMember, type ReadMembers } from './reread.ts'
import { JsonScanner, QUOTE } from './scanner.ts'

/** The deepest nesting of objects and lists. */
export const JSON_MAX_DEPTH = 64
/** The most object members and list elements in one document, together. */
export const JSON_MAX_MEMBERS = 200_000

const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d

/**
 * An object of the document. Its prototype is empty, so that `__proto__` and `constructor` are members like any other.
 * Made by a constructor, since objects without any prototype are slow.
 */
const Members = function () {} as unknown as { new (): Record<string, Json>; prototype: object }
Members.prototype = Object.create(null) as object

/** A recursive-descent parser over the decoded text. */
export class JsonReader extends JsonScanner {
  #depth = 0
  #members = 0
  /** Where the value of `signed` lies in the text, if it is in canonical form but for non-ASCII characters. */
  canonicalSigned: { readonly start: number; readonly end: number } | undefined
  /** Members of `signed.targets`. */
  readonly #targets: Reread

  /** @param targets members of `signed.targets` of an earlier version, which need not be parsed again */
  constructor(text: string, targets?: ReadMembers) {
    super(text)
    this.#targets = new Reread(targets)
  }

  /** Returns the members of `signed.targets` for the reader of the next version. Call after `document`. */
  targets(): ReadMembers {
    return this.#targets.end()
  }

  document(): Json {
    if (this.text.charCodeAt(0) === 0xfeff) this.fail('byte order mark')
    this.skipSpace()
    const value = this.#value()
    this.skipSpace()
    if (this.at < this.text.length) this.fail(`${this.found()} after top-level value`)
    return value
  }

  /** @param reread members that need not be parsed again, if the value is an object */
  #value(reread?: Reread): Json {
    const code = this.text.charCodeAt(this.at)
    if (code === QUOTE) return this.string()
    if (code === OPEN_OBJECT) return this.#object(reread)
    if (code === OPEN_LIST) return this.#list()
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.integer()
    if (this.literal('true')) return true
    if (this.literal('false')) return false
    if (this.literal('null')) return null
    return this.fail(`${this.found()} where a value should begin`)
  }

  #object(reread: Reread | undefined): JsonObject {
    const object = new Members()
    let last = ''
    let greatest = ''
    this.#open()
    if (!this.take(CLOSE_OBJECT)) {
      do {
        this.skipSpace()
        const start = this.at
        const loose = this.loose
        const members = this.#members
        const known = reread?.find(this.text, start)
        const name = known?.name ?? this.#name()
        // A name that sorts after all others is new. Looking it up in the object would cost more than everything else here.
        if (name > greatest) greatest = name
        else if (name in object) this.fail(`duplicate member ${JSON.stringify(name.slice(0, 40))}`, start)
        const value = known === undefined ? this.#named(name) : this.#again(known)
        object[name] = value
        if (reread !== undefined && known === undefined) {
          const text = this.text.slice(start, this.at)
          reread.read({ name, value, text, count: this.#members - members }, this.loose === loose)
        }
        if (name < last) this.loose += 1
        last = name
      } while (this.take(COMMA))
      if (!this.take(CLOSE_OBJECT)) this.fail(`${this.found()} after a member`)
    }
    this.#depth -= 1
    return object
  }

  #name(): string {
    if (this.text.charCodeAt(this.at) === QUOTE) return this.string()
    return this.fail(`${this.found()} where a member name should begin`)
  }

  /** Reads the value of a member whose name has been read. */
  #named(name: string): Json {
    this.skipSpace()
    if (!this.take(COLON)) this.fail(`${this.found()} after a member name`)
    if (this.#depth === 1 && name === 'signed') return this.#signed()
    if (this.#depth === 2 && name === 'expires') return this.#time()
    return this.#member(this.#depth === 2 && name === 'targets' ? this.#targets : undefined)
  }

  #again({ value, text, count }: ReadMember): Json {
    this.at += text.length
    this.#count(count)
    return value
  }

  #signed(): Json {
    const start = this.at
    const looseBefore = this.loose
    const value = this.#member()
    if (this.loose === looseBefore) this.canonicalSigned = { start, end: this.at }
    return value
  }

  /** Reads a time. Go does not unescape times, so its clients could not read a document with an escape in one. */
  #time(): Json {
    const start = this.at
    const value = this.#member()
    if (this.text.slice(start, this.at).includes('\\')) this.fail('an escape in a time', start)
    return value
  }

  #list(): Json[] {
    const list: Json[] = []
    this.#open()
    if (!this.take(CLOSE_LIST)) {
      do list.push(this.#member())
      while (this.take(COMMA))
      if (!this.take(CLOSE_LIST)) this.fail(`${this.found()} after a list element`)
    }
    this.#depth -= 1
    return list
  }

  #open(): void {
    this.#depth += 1
    if (this.#depth > JSON_MAX_DEPTH) this.fail(`nested more than ${JSON_MAX_DEPTH} deep`)
    this.at += 1
    this.skipSpace()
  }

  /** Reads one value inside an object or list, with the white space around it. */
  #member(reread?: Reread): Json {
    this.#count(1)
    this.skipSpace()
    const value = this.#value(reread)
    this.skipSpace()
    return value
  }

  #count(members: number): void {
    this.#members += members
    if (this.#members > JSON_MAX_MEMBERS) this.fail(`more than ${JSON_MAX_MEMBERS} members and list elements`)
  }
}
