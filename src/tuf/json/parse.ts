import { isAscii, isUtf8 } from 'node:buffer'
import type { Json } from './json.ts'
import { JsonReader } from './reader.ts'
import type { ReadMembers } from './reread.ts'
import { malformed } from './scanner.ts'

/**
 * Parse JSON so strictly that no two readers can disagree on what it says (wire spec §12, §19.10, §19.12).
 *
 * Refused beyond RFC 8259: invalid UTF-8, a byte order mark, repeated member names (after unescaping), numbers that are
 * not plain safe integers (`1.0`, `1e3`, `-0`), lone surrogates, and what is over the limits of `reader.ts`. Time
 * and memory are linear in the length of the input.
 *
 * @throws TrustError MALFORMED_JSON, saying what is wrong at which byte
 */
export function parseJson(bytes: Uint8Array): Json {
  return new JsonReader(decoded(bytes)).document()
}

export interface ParsedSigned {
  readonly value: Json
  /** What `canonicalBytes` gives for `signed`; undefined where it would have to be written, or is not ASCII. */
  readonly canonical: Uint8Array | undefined
  /** The members of `signed.targets`, for the parsing of a later version. */
  readonly targets: ReadMembers
}

/**
 * The same for a signed document, and the bytes of its member `signed` where they are canonical already (wire spec
 * §12), as Go clients write them unless a string has `<`, `>` or `&`: writing them costs more than all the parsing.
 *
 * @param earlier `targets` that the parsing of an earlier version returned: makes it quicker, and nothing else
 */
export function parseSigned(bytes: Uint8Array, earlier?: ReadMembers): ParsedSigned {
  const text = decoded(bytes)
  const reader = new JsonReader(text, earlier)
  const value = reader.document()
  const { canonicalSigned: span } = reader
  const ascii = text.length === bytes.length
  const canonical = span === undefined || !ascii ? undefined : bytes.subarray(span.start, span.end)
  return { value, canonical, targets: reader.targets() }
}

function decoded(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(buffer)) return buffer.toString('latin1')
  if (!isUtf8(buffer)) throw malformed(firstInvalid(buffer), 'invalid UTF-8')
  return buffer.toString('utf8')
}

/** Decoding with replacement and encoding again changes nothing before the first invalid byte. */
function firstInvalid(buffer: Buffer): number {
  const repaired = Buffer.from(buffer.toString('utf8'))
  let at = 0
  while (at < buffer.length && buffer[at] === repaired[at]) at += 1
  return at
}
