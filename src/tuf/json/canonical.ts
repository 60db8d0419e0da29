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
  // An explicit stack instead of recursion: a deeply nested value cannot overflow the call stack.
  let text = ''
  const rest: Frame[] = []
  let frame: Frame | undefined = { values: [value], names: undefined, next: 0 }
  while (frame !== undefined) {
    const { values, names, next } = frame
    if (next === values.length) {
      if (rest.length > 0) text += names === undefined ? ']' : '}'
      frame = rest.pop()
      continue
    }
    frame.next = next + 1
    if (next > 0) text += ','
    if (names !== undefined) text += `${quoted(names[next] ?? '')}:`
    const item = values[next]
    if (typeof item === 'object' && item !== null) {
      rest.push(frame)
      frame = isList(item) ? { values: item, names: undefined, next: 0 } : sorted(item)
      text += frame.names === undefined ? '[' : '{'
    } else text += scalar(item)
  }
  return text
}

/** A list or object being written; an object has a name for each value. */
interface Frame {
  readonly values: readonly (Json | undefined)[]
  readonly names: readonly string[] | undefined
  next: number
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

function quoted(value: string): string {
  const text = value.isWellFormed() ? value : value.toWellFormed()
  return `"${text.includes('"') || text.includes('\\') ? text.replace(QUOTE_OR_BACKSLASH, '\\$&') : text}"`
}

/** Surrogates sort below U+E000 to U+FFFF in UTF-16 but above them in UTF-8, so names with either need care. */
const BEYOND_SURROGATES = /[\ud800-\uffff]/

function sorted(object: JsonObject): Frame {
  const names = Object.keys(object)
  if (names.some((name) => BEYOND_SURROGATES.test(name))) return sortedByCodePoint(object, names)
  // Most objects are already sorted, and sorting one would cost more than writing it.
  if (names.some((name, index) => name < (names[index - 1] ?? ''))) names.sort()
  return { values: names.map((name) => object[name]), names, next: 0 }
}

/** Names that become equal when lone surrogates are replaced are duplicates: the last one wins, as in Go. */
function sortedByCodePoint(object: JsonObject, names: readonly string[]): Frame {
  const members = new Map(names.map((name) => [name.toWellFormed(), object[name]]))
  const order = [...members.keys()].map((name) => ({ name, bytes: Buffer.from(name, 'utf8') }))
  order.sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const sortedNames = order.map(({ name }) => name)
  return { values: sortedNames.map((name) => members.get(name)), names: sortedNames, next: 0 }
}
