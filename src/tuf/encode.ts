import { canonicalText } from './json/canonical.ts'
import type { JsonObject } from './json/json.ts'

/** A signature as it is written in a metadata file. */
export interface EncodedSignature {
  readonly keyid: string
  readonly method: string
  /** Standard base64. */
  readonly sig: string
}

/** The characters escaped in a file: five because Go escapes them, control characters because JSON requires it. */
// oxlint-disable-next-line no-control-regex
const ESCAPED = /[\u0000-\u001f<>&\u2028\u2029]/g

/**
 * Writes a metadata file exactly as Go's encoder does (wire spec §11.1): no white space, `signed` first, members sorted,
 * `<`, `>`, `&`, U+2028 and U+2029 escaped. Signatures cover the canonical form of `signed`, without these escapes.
 *
 * Escapes control characters too, where Go's encoder would write an unreadable file. The server's own metadata has none.
 *
 * @throws TrustError MALFORMED_JSON for values that cannot be written
 */
export function encodeMetadata(signed: JsonObject, signatures: readonly EncodedSignature[]): Buffer {
  const text = canonicalText(signed)
  return encodeCanonical(text, Buffer.from(text), signatures)
}

/** As `encodeMetadata`, for a caller that already has the canonical form of the payload, as text and as bytes. */
export function encodeCanonical(text: string, bytes: Uint8Array, signatures: readonly EncodedSignature[]): Buffer {
  const list = canonicalText(signatures.map(({ keyid, method, sig }) => ({ keyid, method, sig })))
  const escaped = escapeAsGo(text)
  // Nearly always nothing is escaped; reusing the bytes then avoids encoding thousands of tags a second time.
  const signed = escaped === text ? bytes : Buffer.from(escaped)
  return Buffer.concat([Buffer.from('{"signed":'), signed, Buffer.from(`,"signatures":${escapeAsGo(list)}}`)])
}

/** Escapes as Go does. @param text JSON without white space, so that these characters occur only inside strings */
export function escapeAsGo(text: string): string {
  return text.replace(ESCAPED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
