import { TrustError } from '../errors.ts'
import { ownBytes } from '../memory/own-bytes.ts'
import { checksumsBeside, checksumsOf, type Checksums } from './checksum.ts'
import { canonicalBytes } from './json/canonical.ts'
import type { JsonObject } from './json/json.ts'
import {
  bytesOf,
  integerOf,
  listOrEmpty,
  objectOf,
  refuseUnknown,
  refuseVariants,
  textOf,
  type Fail,
} from './json/members.ts'
import { parseSigned } from './json/parse.ts'
import type { ReadMembers } from './json/reread.ts'
import { isTargetsRole, type Role } from './role.ts'
import { goTime, parseTime } from './time.ts'

/** A signature as decoded from a document. */
interface Signature {
  readonly keyid: string
  /** Lower case, as Go decodes it (wire spec §11.3). */
  readonly method: string
  readonly sig: Uint8Array
}

/** One document, decoded but not yet believed: bytes, what they say, and who claims to have signed it. */
export interface Metadata {
  readonly role: Role
  /** Exactly as received; what is stored, hashed and served. */
  readonly bytes: Uint8Array
  readonly checksums: Checksums
  readonly signed: JsonObject
  readonly signatures: readonly Signature[]
  /** `_type`: Root, Targets, Snapshot or Timestamp. */
  readonly type: string
  readonly version: number
  /** As written: any zone, up to nanoseconds. */
  readonly expiresText: string
  /** Milliseconds since 1970. */
  readonly expires: number
  /** What the signatures are over: the canonical form of `signed` (wire spec §13). */
  readonly message: () => Uint8Array
  /**
   * Its targets as they were read, for the reading of the next version, and to see what that changes; only of documents
   * that were read.
   */
  readonly read?: ReadMembers
}

/** Versions above this are refused: the next one would not fit the 32 bits of other servers and clients. */
const VERSION_MAX = 2 ** 31 - 2
/** Signatures in one document. */
export const SIGNATURES_MAX = 100

const malformed: Fail = (text) => {
  throw new TrustError('MALFORMED_JSON', text)
}

/**
 * Decode one document (wire spec §5.1, part JSON). Strict where Go is lax: exactly `signed` and `signatures` at the
 * top, no unknown member in a signature, no member that differs from a known one in case only.
 *
 * @param earlier any version of the same role: what is the same as there is not read again
 * @throws TrustError MALFORMED_JSON
 */
export function parseMetadata(role: Role, bytes: Uint8Array, earlier?: Metadata): Metadata {
  return { ...decode(role, bytes, earlier), checksums: checksumsOf(bytes) }
}

/** The same; a large document is hashed on another thread meanwhile. @throws TrustError MALFORMED_JSON */
export async function parseMetadataBeside(role: Role, bytes: Uint8Array, earlier?: Metadata): Promise<Metadata> {
  const hashing = checksumsBeside(bytes)
  const decoded = decode(role, bytes, earlier)
  return { ...decoded, checksums: await hashing }
}

function decode(role: Role, bytes: Uint8Array, earlier?: Metadata): Omit<Metadata, 'checksums'> {
  const { value, canonical, targets } = parseSigned(bytes, earlier?.read)
  const envelope = objectOf(value, `${role} metadata`, malformed)
  refuseUnknown(envelope, ['signed', 'signatures'], `${role} metadata`, malformed)
  const signed = objectOf(envelope['signed'], `${role} "signed"`, malformed)
  refuseVariants(signed, ['_type', 'expires', 'version', ...membersOf(role)], `${role} "signed"`, malformed)
  const expiresText = textOf(signed['expires'], `${role} "expires"`, malformed)
  let message: Uint8Array | undefined = canonical
  return {
    role,
    bytes,
    signed,
    signatures: parseSignatures(envelope, role),
    type: textOf(signed['_type'], `${role} "_type"`, malformed),
    // A missing version is Go's zero value, which the checks of each role refuse by name.
    version: signed['version'] === undefined ? 0 : integerOf(signed['version'], `${role} "version"`, malformed),
    expiresText,
    expires: parseTime(expiresText),
    message: () => (message ??= canonicalBytes(signed)),
    read: targets,
  }
}

function membersOf(role: Role): readonly string[] {
  if (role === 'root') return ['consistent_snapshot', 'keys', 'roles']
  return isTargetsRole(role) ? ['targets', 'delegations'] : ['meta']
}

function parseSignatures(envelope: JsonObject, role: Role): Signature[] {
  const list = listOrEmpty(envelope['signatures'], `${role} "signatures"`, malformed)
  if (list.length > SIGNATURES_MAX) malformed(`${role} has more than ${SIGNATURES_MAX} signatures`)
  return list.map((item) => {
    const where = `a signature of ${role}`
    const signature = objectOf(item, where, malformed)
    refuseUnknown(signature, ['keyid', 'method', 'sig'], where, malformed)
    return {
      keyid: textOf(signature['keyid'], `"keyid" in ${where}`, malformed),
      method: textOf(signature['method'], `"method" in ${where}`, malformed).toLowerCase(),
      sig: ownBytes(bytesOf(signature['sig'], `"sig" in ${where}`, malformed)),
    }
  })
}

/** The checks common to the structure of all roles: type and version (wire spec §6.1). */
export function checkTypeAndVersion(metadata: Metadata, type: string, fail: Fail): void {
  const { role, version } = metadata
  if (metadata.type !== type)
    fail(`${role} type metadata invalid: expected type ${type}, not ${metadata.type.slice(0, 80)}`)
  if (version < 1) fail(`${role} type metadata invalid: version cannot be less than one`)
  if (version > VERSION_MAX) fail(`${role} type metadata invalid: version ${version} is above the limit ${VERSION_MAX}`)
}

/** A document is expired from the very moment after `expires`; no leeway (wire spec §6.1). */
export function checkExpiry(metadata: Metadata, now: number, fail: Fail): void {
  if (metadata.expires < now) fail(`${metadata.role} expired at ${goTime(metadata.expiresText)}`)
}
