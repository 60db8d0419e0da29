import { canonicalText } from './json/canonical.ts'
import type { JsonObject } from './json/json.ts'

/** A signature as a file carries it. */
export interface EncodedSignature {
  readonly keyid: string
  readonly method: string
  /** Standard base64. */
  readonly sig: string
}

/** What is escaped in a file: five characters because Go does so, control characters because JSON must. */
// oxlint-disable-next-line no-control-regex
const ESCAPED = /[\u0000-\u001f<>&\u2028\u2029]/g

/**
 * Write a metadata file exactly as Go's encoder does (wire spec §11.1): no white space, `signed` first, members sorted,
 * `<`, `>`, `&`, U+2028 and U+2029 escaped. Signatures are over the canonical form of `signed`, without these escapes.
 *
 * Control characters are escaped too, where Go's encoder would leave an unreadable file; nothing that the server makes
 * has any.
 *
 * @throws TrustError MALFORMED_JSON for values that cannot be written
 */
export function encodeMetadata(signed: JsonObject, signatures: readonly EncodedSignature[]): Buffer {
  const text = canonicalText(signed)
  return encodeCanonical(text, Buffer.from(text), signatures)
}

/** The same for a payload whose canonical form is at hand, as text and as bytes. */
export function encodeCanonical(text: string, bytes: Uint8Array, signatures: readonly EncodedSignature[]): Buffer {
  const list = canonicalText(signatures.map(({ keyid, method, sig }) => ({ keyid, method, sig })))
  const escaped = escapeAsGo(text)
  // Nearly always nothing is escaped: then the text of thousands of tags is not made into bytes a second time.
  const signed = escaped === text ? bytes : Buffer.from(escaped)
  return Buffer.concat([Buffer.from('{"signed":'), signed, Buffer.from(`,"signatures":${escapeAsGo(list)}}`)])
}

/** @param text JSON without white space: it has these characters inside strings only */
export function escapeAsGo(text: string): string {
  return text.replace(ESCAPED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
