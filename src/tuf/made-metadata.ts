import { refuse } from '../errors.ts'
import { checksumsBeside } from './checksum.ts'
import { encodeCanonical, type EncodedSignature } from './encode.ts'
import { canonicalForm } from './json/canonical.ts'
import type { JsonObject } from './json/json.ts'
import { integerOf, textOf, type Fail } from './json/members.ts'
import { JSON_MAX_MEMBERS } from './json/reader.ts'
import { SIGNATURES_MAX, type Metadata } from './metadata.ts'
import { isTargetsRole, problemOf, type Role } from './role.ts'
import { parseTime } from './time.ts'

/** Members of a document outside its payload: `signed` and `signatures`. */
const AROUND = 2
/** A signature counts as one list element with three members. */
const PER_SIGNATURE = 4

const incomplete: Fail = (text) => {
  throw new TypeError(`a payload whose ${text}`)
}

/** A document that this server makes: the message to sign, and a function that adds the signatures. */
interface Unsigned {
  /** The canonical form of the payload. */
  readonly message: Uint8Array
  complete(signatures: readonly EncodedSignature[]): Promise<Metadata>
}

/**
 * Makes a document, equal to what `parseMetadata` would return for its bytes but without parsing them.
 *
 * @param payload with `_type`, `expires` and `version`
 * @throws TrustError MALFORMED_JSON for values that cannot be written; `complete` throws INVALID_UPDATE for a document
 *   over the limits of our own parser
 */
export function makeMetadata(role: Role, payload: JsonObject): Unsigned {
  const { text, members } = canonicalForm(payload)
  const message = Buffer.from(text)
  const type = textOf(payload['_type'], '"_type"', incomplete)
  const version = integerOf(payload['version'], '"version"', incomplete)
  const expiresText = textOf(payload['expires'], '"expires"', incomplete)
  return {
    message,
    async complete(signatures) {
      limitMade(role, members, signatures.length)
      const bytes = encodeCanonical(text, message, signatures)
      return {
        role,
        bytes,
        checksums: await checksumsBeside(bytes),
        signed: payload,
        signatures: signatures.map(({ keyid, method, sig }) => ({ keyid, method, sig: Buffer.from(sig, 'base64') })),
        type,
        version,
        expiresText,
        expires: parseTime(expiresText),
        message: () => message,
      }
    },
  }
}

/**
 * Refuses to make a document that our own parser would refuse: one with too many tags or signatures could be served, but
 * never changed again.
 *
 * @param members members and list elements of the payload
 * @param signatures their number
 * @throws TrustError INVALID_UPDATE
 */
function limitMade(role: Role, members: number, signatures: number): void {
  const name = problemOf(role)
  if (signatures > SIGNATURES_MAX) refuse(name, `${role} would have more than ${SIGNATURES_MAX} signatures`)
  if (members + AROUND + PER_SIGNATURE * signatures <= JSON_MAX_MEMBERS) return
  // A tag takes four.
  const tags = isTargetsRole(role) ? `, some ${Math.floor(JSON_MAX_MEMBERS / 4)} tags` : ''
  refuse(name, `${role} would have more than ${JSON_MAX_MEMBERS} members and list elements${tags}`)
}
