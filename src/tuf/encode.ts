import { canonicalText } from './canonical.ts'
import type { JsonObject } from './json.ts'

/** A signature as a file carries it. */
export interface EncodedSignature {
  readonly keyid: string
  readonly method: string
  /** Standard base64. */
  readonly sig: string
}

/** Characters that Go's encoder writes as escapes in a file, and control characters, which JSON does not take raw. */
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
  return encodeCanonical(canonicalText(signed), signatures)
}

/** The same for a payload whose canonical text is at hand. */
export function encodeCanonical(signed: string, signatures: readonly EncodedSignature[]): Buffer {
  const list = signatures.map(({ keyid, method, sig }) => ({ keyid, method, sig }))
  const text = `{"signed":${signed},"signatures":${canonicalText(list)}}`
  // Canonical text has these characters inside strings only.
  return Buffer.from(text.replace(ESCAPED, escape), 'utf8')
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
