import { TrustError } from '../../errors.ts'
import type { Json, JsonObject } from './json.ts'

/**
 * Writes Notary's canonical JSON, which signatures and key ids are computed over (wire spec §12). Unlike RFC 8785, it
 * sorts members by code point, escapes only `"` and `\`, and leaves control characters raw.
 *
 * Accepts any JSON value, also one from JSON.parse: writes integers beyond 2^53 exactly as Go does, and lone surrogates
 * as U+FFFD. Values from parseJson contain neither.
 *
 * @throws TrustError MALFORMED_JSON for what cannot be written: fractions, infinities, and values that are not JSON
 */
export function canonicalBytes(value: Json): Buffer {
  return Buffer.from(canonicalText(value), 'utf8')
}

/** As canonicalBytes, but returns text. */
export function canonicalText(value: Json): string {
  return canonicalForm(value).text
}

/** A value in canonical form. */
export interface CanonicalForm {
  readonly text: string
  /** Members and list elements in it, as `JsonReader` counts them. */
  readonly members: number
}

const BEYOND_SURROGATES = /[\ud800-\uffff]/

/** As canonicalBytes, but returns text, and counts what is in it. */
export function canonicalForm(value: Json): CanonicalForm {
  const form = write(value, sortedNames)
  // Surrogates sort below U+E000 to U+FFFF in UTF-16 but above them in UTF-8.
  if (!BEYOND_SURROGATES.test(form.text)) return form
  const { text, members } = write(value, namesByCodePoint)
  return { text: text.toWellFormed(), members }
}

/** A list or object being written. One shape for both: two took a third longer for thousands of tags. */
interface Frame {
  readonly items: Readonly<Record<number | string, Json>>
  /** Undefined for a list. */
  readonly names: readonly string[] | undefined
  readonly size: number
  next: number
}

/** Returns the names of an object in the order of the result. */
type NamesOf = (object: JsonObject) => readonly string[]

function write(value: Json, namesOf: NamesOf): CanonicalForm {
  // An explicit stack instead of recursion: a deeply nested value cannot overflow the call stack.
  const outer: Frame[] = []
  let text = ''
  let members = 0
  let frame: Frame | undefined
  let item: Json | undefined = value
  for (;;) {
    if (typeof item === 'object' && item !== null) {
      if (frame !== undefined) outer.push(frame)
      frame = open(item, namesOf)
      members += frame.size
      text += frame.names === undefined ? '[' : '{'
    } else text += scalar(item)
    while (frame !== undefined && frame.next === frame.size) {
      text += frame.names === undefined ? ']' : '}'
      frame = outer.pop()
    }
    if (frame === undefined) return { text, members }
    const at: number = frame.next
    frame.next = at + 1
    if (at > 0) text += ','
    if (frame.names === undefined) item = frame.items[at]
    else {
      const name: string = frame.names[at]!
      text += quoted(name)
      text += ':'
      item = frame.items[name]
    }
  }
}

function open(item: readonly Json[] | JsonObject, namesOf: NamesOf): Frame {
  const items = item as Frame['items']
  if (isList(item)) return { items, names: undefined, size: item.length, next: 0 }
  const names = namesOf(item)
  return { items, names, size: names.length, next: 0 }
}

function isList(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value)
}

function scalar(value: Json | undefined): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number') return integer(value)
  if (value === true) return 'true'
  if (value === false) return 'false'
  if (value === null) return 'null'
  throw new TrustError('MALFORMED_JSON', `a value of type ${typeof value} is not JSON`)
}

const INT64_LIMIT = 2 ** 63

/** Writes the exact value of the double, converted to int64 as Go does on amd64: values out of range become the minimum. */
function integer(value: number): string {
  if (Number.isSafeInteger(value)) return String(value)
  if (!Number.isInteger(value)) throw new TrustError('MALFORMED_JSON', `unsupported value: ${value}`)
  return Math.abs(value) < INT64_LIMIT ? BigInt(value).toString() : '-9223372036854775808'
}

const QUOTE_OR_BACKSLASH = /["\\]/g

function quoted(text: string): string {
  return `"${text.includes('"') || text.includes('\\') ? text.replace(QUOTE_OR_BACKSLASH, '\\$&') : text}"`
}

function sortedNames(object: JsonObject): string[] {
  const names = Object.keys(object)
  let last = ''
  for (const name of names) {
    // Most objects are already sorted, and sorting one would cost more than writing it.
    if (name < last) return names.sort()
    last = name
  }
  return names
}

/** Names that become equal when lone surrogates are replaced are duplicates: the last one wins, as in Go. */
function namesByCodePoint(object: JsonObject): string[] {
  const names = new Map(Object.keys(object).map((name) => [name.toWellFormed(), name]))
  const order = [...names].map(([text, name]) => ({ name, bytes: Buffer.from(text) }))
  return order.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ name }) => name)
}
