import { refuse, TrustError } from '../errors.ts'
import { ownBytes } from '../memory/own-bytes.ts'
import type { Actor, Head } from '../store/store.ts'
import { SERVER, shellQuoted, type Gun } from '../tuf/gun.ts'
import { parseMetadataBeside, type Metadata } from '../tuf/metadata.ts'
import { isDelegation, parseRole, type Role } from '../tuf/role.ts'
import { parseRoot } from '../tuf/root.ts'
import { acceptUpdate } from '../tuf/update.ts'
import { change } from './change.ts'
import { compose } from './compose.ts'
import { currentOf, recallCurrent } from './current.ts'
import { damagedAmong, putBack } from './put-back.ts'
import { withoutStagedRoot } from './roots/staged.ts'
import { heldKeys } from './sign-role.ts'
import { notSignedHere, signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'
import { verifyUploadsAhead } from './verify-ahead.ts'

/**
 * From this many simultaneous publishes on, verifying in the thread pool pays; a single one would only lose time.
 */
const VERIFY_AHEAD_FROM = 4
/** Anything else in place of a key id names no key. */
const KEY_ID = /^[0-9a-f]{64}$/

/** A part of an upload; its file name is the role. */
export interface UploadPart {
  readonly filename: string | undefined
  readonly bytes: Uint8Array
}

/**
 * Publishes an upload: verifies it against the current state and makes all or nothing of it current (wire spec §5, §6).
 * Bytes that are current already are no error, since a client may repeat a publish whose answer it never got; they replace
 * their stored copy if that is damaged.
 *
 * @param atOnce number of publishes in progress, including this one
 * @throws TrustError NO_FILENAME, INVALID_ROLE, MALFORMED_JSON, INVALID_UPDATE, VERSION, BUSY, SIGNING_FAILED, …
 */
export async function publish(
  trust: Trust,
  gun: Gun,
  parts: readonly UploadPart[],
  actor: Actor,
  atOnce = 1,
): Promise<void> {
  const uploads = await decodeParts(trust, gun, parts)
  if (atOnce >= VERIFY_AHEAD_FROM) await verifyUploadsAhead(trust, gun, uploads)
  let damaged: readonly Metadata[] = []
  const changed = await change(trust, gun, async (head, now) => {
    damaged = []
    mustBeSignable(trust, gun, head, uploads)
    mustBeSignedElsewhere(trust, head, uploads)
    // An empty upload changes nothing here; Go makes a new snapshot with the same content (wire spec §19.18).
    const accepted = acceptUpdate(gun, currentOf(trust, gun, head), uploads, now)
    if (accepted === undefined) {
      damaged = head === undefined ? [] : damagedAmong(trust, gun, head, uploads)
      return head === undefined || damaged.length === 0 ? undefined : putBack(trust, gun, head, now, damaged, actor)
    }
    const roles = accepted.documents.map(({ role }) => role)
    if (roles.length === 0) return undefined
    const records = roles.includes('root') ? withoutStagedRoot(trust, gun, 'superseded') : []
    const draft = await compose(trust, gun, head, now, { ...accepted, makesSnapshot: !roles.includes('snapshot') })
    return { kind: 'publish', actor, ...draft, records }
  })
  for (const { role } of damaged) trust.log.warn({ gun, role }, 'what was damaged was uploaded again')
  // The next publish will be based on these.
  if (changed) for (const upload of uploads) trust.decoded.keep(gun, upload)
}

/**
 * Refuses uploads to an adopted repository unless its root names keys of this server, and says so: Notary's own error does
 * not. Does not verify the uploads.
 *
 * @throws TrustError INVALID_UPDATE
 */
function mustBeSignable(trust: Trust, gun: Gun, head: Head | undefined, uploads: readonly Metadata[]): void {
  if (head?.roles['root'] === undefined || signedHere(head)) return
  // An empty upload repeats nothing: it asks for a new snapshot.
  const isRepeated = uploads.every(({ role, checksums }) => head.roles[role]?.sha256 === checksums.sha256)
  if (isRepeated && uploads.length > 0) return
  const uploaded = (wanted: Role): Metadata | undefined => uploads.find(({ role }) => role === wanted)
  const root = uploaded('root') ?? recallCurrent(trust, gun, head, 'root')
  if (root === undefined) return
  const { roles } = parseRoot(root)
  const lacks = (role: 'timestamp' | 'snapshot'): boolean => heldKeys(trust, gun, role, roles[role]).length === 0
  // An owner who signs the snapshot needs only a new timestamp key.
  const byOwner = uploaded('snapshot') === undefined ? undefined : `notary key rotate ${shellQuoted(gun)} timestamp -r`
  if (lacks('timestamp') || (byOwner === undefined && lacks('snapshot'))) {
    refuse('ErrValidation', notSignedHere(gun, byOwner))
  }
}

/**
 * Refuses uploads signed by a signer of this server: these sign only here, subject to the policy for each tag. Metadata
 * names neither its repository nor its role, so a document that a signer signed elsewhere would be believed here too.
 *
 * @throws TrustError INVALID_UPDATE
 */
function mustBeSignedElsewhere({ store }: Trust, head: Head | undefined, uploads: readonly Metadata[]): void {
  for (const { role, checksums, signatures } of uploads) {
    if (!isDelegation(role) || head?.roles[role]?.sha256 === checksums.sha256) continue
    if (!signatures.some(({ keyid }) => KEY_ID.test(keyid) && store.keyOwner(keyid)?.gun === SERVER)) continue
    refuse('ErrBadTargets', `${role} is signed by a signer of this server, which alone publishes what it signs`)
  }
}

/** Decodes the parts in body order: name, role, JSON (wire spec §5.1). The last of several parts for one role counts. */
async function decodeParts({ decoded }: Trust, gun: Gun, parts: readonly UploadPart[]): Promise<Metadata[]> {
  const uploads = new Map<Role, Metadata>()
  for (const part of parts) {
    const name = part.filename?.replace(/\.json$/, '')
    if (name === undefined || name === '') throw new TrustError('NO_FILENAME', 'a part of the upload names no role')
    const role = parseRole(name)
    uploads.set(role, await parseMetadataBeside(role, ownBytes(part.bytes), decoded.last(gun, role)))
  }
  // A timestamp must be readable but is dropped: the server always signs its own (wire spec §5.1).
  uploads.delete('timestamp')
  return [...uploads.values()]
}
