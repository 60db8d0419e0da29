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

/** A signature decoded from a document. */
interface Signature {
  readonly keyid: string
  /** Lower case, as Go decodes it (wire spec §11.3). */
  readonly method: string
  readonly sig: Uint8Array
}

/** A document, decoded but not yet verified: its bytes, its content, and who claims to have signed it. */
export interface Metadata {
  readonly role: Role
  /** Exactly as received; these bytes are stored, hashed and served. */
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
  /** Returns the bytes that signatures cover: the canonical form of `signed` (wire spec §13). */
  readonly message: () => Uint8Array
  /**
   * The parsed members of `targets`: they speed up parsing the next version and show what it changes. Only for documents
   * that were parsed, not made here.
   */
  readonly read?: ReadMembers
}

/** Higher versions are refused: their successor would overflow the 32-bit version of other servers and clients. */
const VERSION_MAX = 2 ** 31 - 2
/** The most signatures in one document. */
export const SIGNATURES_MAX = 100

const malformed: Fail = (text) => {
  throw new TrustError('MALFORMED_JSON', text)
}

/**
 * Decodes one document (wire spec §5.1, part JSON). Stricter than Go: only `signed` and `signatures` at the top, no
 * unknown member in a signature, no member that differs from a known one only in case.
 *
 * @param earlier any version of the same role: members unchanged since then are not parsed again
 * @throws TrustError MALFORMED_JSON
 */
export function parseMetadata(role: Role, bytes: Uint8Array, earlier?: Metadata): Metadata {
  return { ...decode(role, bytes, earlier), checksums: checksumsOf(bytes) }
}

/** As `parseMetadata`, but hashes a large document on another thread meanwhile. @throws TrustError MALFORMED_JSON */
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
    // A missing version is Go's zero value, which `checkTypeAndVersion` refuses with the role's own error.
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

/** Checks type and version, which all roles have (wire spec §6.1). */
export function checkTypeAndVersion(metadata: Metadata, type: string, fail: Fail): void {
  const { role, version } = metadata
  if (metadata.type !== type)
    fail(`${role} type metadata invalid: expected type ${type}, not ${metadata.type.slice(0, 80)}`)
  if (version < 1) fail(`${role} type metadata invalid: version cannot be less than one`)
  if (version > VERSION_MAX) fail(`${role} type metadata invalid: version ${version} is above the limit ${VERSION_MAX}`)
}

/** Refuses a document whose `expires` is before `now`, without leeway (wire spec §6.1). */
export function checkExpiry(metadata: Metadata, now: number, fail: Fail): void {
  if (metadata.expires < now) fail(`${metadata.role} expired at ${goTime(metadata.expiresText)}`)
}
