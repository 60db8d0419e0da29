import { TrustError } from '../../errors.ts'
import type { Json, JsonObject } from './json.ts'

/**
 * Notary's canonical JSON, over which signatures and key ids are made (wire spec §12). Not RFC 8785: members are sorted
 * by code point, only `"` and `\` are escaped, control characters stay raw.
 *
 * Takes any JSON value, also what JSON.parse yields: integers beyond 2^53 are written exactly as Go writes them, lone
 * surrogates become U+FFFD. What parseJson lets through has none of these.
 *
 * @throws TrustError MALFORMED_JSON for what cannot be written: fractions, infinities, and values that are not JSON
 */
export function canonicalBytes(value: Json): Buffer {
  return Buffer.from(canonicalText(value), 'utf8')
}

/** As canonicalBytes, but decoded. */
export function canonicalText(value: Json): string {
  // A stack of what is still to write, instead of recursion: the call stack does not overflow, however deep the value.
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

/** A list or object that is being written; an object has a name for each value. */
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

/** The exact value of the double, in int64 as Go converts it on amd64: what does not fit becomes the least int64. */
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

/** Surrogates sort below U+E000 to U+FFFF in UTF-16 and above them in UTF-8: names with either need care. */
const BEYOND_SURROGATES = /[\ud800-\uffff]/

function sorted(object: JsonObject): Frame {
  const names = Object.keys(object)
  if (names.some((name) => BEYOND_SURROGATES.test(name))) return sortedByCodePoint(object, names)
  // Most objects are in order already; sorting one would cost more than writing it.
  if (names.some((name, index) => name < (names[index - 1] ?? ''))) names.sort()
  return { values: names.map((name) => object[name]), names, next: 0 }
}

/** Names that are one after replacement of lone surrogates are duplicates: the last one wins, as in Go. */
function sortedByCodePoint(object: JsonObject, names: readonly string[]): Frame {
  const members = new Map(names.map((name) => [name.toWellFormed(), object[name]]))
  const order = [...members.keys()].map((name) => ({ name, bytes: Buffer.from(name, 'utf8') }))
  order.sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const sortedNames = order.map(({ name }) => name)
  return { values: sortedNames.map((name) => members.get(name)), names: sortedNames, next: 0 }
}
