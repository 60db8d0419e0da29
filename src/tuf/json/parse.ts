import { isAscii, isUtf8 } from 'node:buffer'
import type { Json } from './json.ts'
import { JsonReader } from './reader.ts'
import type { ReadMembers } from './reread.ts'
import { malformed } from './scanner.ts'

/**
 * Parses JSON so strictly that no two readers can disagree on its meaning (wire spec §12, §19.10, §19.12).
 *
 * Refuses, beyond RFC 8259: invalid UTF-8, a byte order mark, repeated member names (after unescaping), numbers that are
 * not plain safe integers (`1.0`, `1e3`, `-0`), lone surrogates, and documents over the limits of `reader.ts`. Takes time
 * and memory linear in the length of the input.
 *
 * @throws TrustError MALFORMED_JSON, which names the problem and its byte offset
 */
export function parseJson(bytes: Uint8Array): Json {
  return new JsonReader(decoded(bytes)).document()
}

export interface ParsedSigned {
  readonly value: Json
  /** The input's own bytes of `signed`; undefined if they differ from `canonicalBytes`, or the input is not ASCII. */
  readonly canonical: Uint8Array | undefined
  /** The members of `signed.targets`, for parsing a later version. */
  readonly targets: ReadMembers
}

/**
 * As `parseJson`, for a signed document. Also returns the bytes of `signed` if they are canonical already (wire spec
 * §12), as Go clients write them unless a string has `<`, `>` or `&`: writing them again costs more than the parsing.
 *
 * @param earlier `targets` from parsing an earlier version; only makes parsing faster
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

/** Finds the first invalid byte: decoding with replacement and encoding again changes nothing before it. */
function firstInvalid(buffer: Buffer): number {
  const repaired = Buffer.from(buffer.toString('utf8'))
  let at = 0
  while (at < buffer.length && buffer[at] === repaired[at]) at += 1
  return at
}
