import type { Actor, Commit, Head, NewDocument, RoleState, StoredKey } from '../store/store.ts'
import type { Checksums } from '../tuf/checksum.ts'
import type { Gun } from '../tuf/gun.ts'
import type { JsonObject } from '../tuf/json/json.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isServerRole, type ServerRole } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import { snapshotPayload } from '../tuf/snapshot.ts'
import { timestampPayload } from '../tuf/timestamp.ts'
import { acceptUpdate } from '../tuf/update.ts'
import type { Draft } from './change.ts'
import { currentOf } from './current.ts'
import { roleChanges } from './role-changes.ts'
import { heldKeys, signRole, type Signed } from './sign-role.ts'
import { tagChanges } from './tag-changes.ts'
import type { Trust } from './trust.ts'

/** What should become current, still without the timestamp, and without the snapshot if the server makes it. */
interface Proposal {
  readonly root: Root
  /** New documents, signed. */
  readonly documents: readonly Metadata[]
  /** Checksums of root, targets and every delegation that will be current. */
  readonly files: ReadonlyMap<string, Checksums>
  /** True if the server makes the next snapshot; false if it is among `documents`, or stays as it is. */
  readonly makesSnapshot: boolean
}

/**
 * Completes a proposal with a snapshot, if the server makes it, a new timestamp, and the head that names them all. The
 * signatures leave the process only after the commit.
 *
 * @param head the head that the proposal was computed from
 * @param now milliseconds since 1970
 * @throws TrustError SIGNING_FAILED, SIGNER_UNAVAILABLE, CORRUPT
 */
export async function compose(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  proposal: Proposal,
): Promise<Pick<Commit, 'head' | 'documents' | 'keys' | 'changes' | 'roles'>> {
  const { root, files } = proposal
  const documents = [...proposal.documents]
  const keys: StoredKey[] = []
  const highest = highestOf(head)

  if (proposal.makesSnapshot) {
    const made = await makeSnapshot(trust, gun, head, now, root, files)
    documents.push(made.metadata)
    keys.push(...made.keys)
  }
  const snapshot = documents.find((document) => document.role === 'snapshot')?.checksums ?? head?.roles['snapshot']
  if (snapshot === undefined) throw new Error('a proposal without a snapshot')
  const payload = timestampPayload((highest['timestamp'] ?? 0) + 1, now + trust.policy.timestampLife, snapshot)
  const timestamp = await sign(trust, gun, head, root, 'timestamp', payload)
  documents.push(timestamp.metadata)
  keys.push(...timestamp.keys)

  const roles: Record<string, RoleState> = {}
  for (const [role, state] of Object.entries(head?.roles ?? {})) {
    if (files.has(role) || role === 'snapshot') roles[role] = state
  }
  for (const document of documents) {
    roles[document.role] = stateOf(document)
    highest[document.role] = document.version
  }
  return {
    head: { roles, highest, renewAt: renewalTime(trust, now) },
    documents: documents.map(newDocument),
    keys,
    changes: tagChanges(trust, gun, head, proposal.documents),
    roles: roleChanges(trust, gun, head, proposal.documents),
  }
}

/**
 * Composes the publish of documents signed here: verifies them like any upload, and makes the next snapshot.
 *
 * @param head the head that they were computed from
 * @param now milliseconds since 1970
 * @returns undefined if all of them are current already
 * @throws TrustError INVALID_UPDATE, VERSION, SIGNING_FAILED, SIGNER_UNAVAILABLE, CORRUPT
 */
export async function composeSigned(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  signed: readonly Signed[],
  actor: Actor,
): Promise<Draft | undefined> {
  const uploads = signed.map(({ metadata }) => metadata)
  const accepted = acceptUpdate(gun, currentOf(trust, gun, head), uploads, now)
  if (accepted === undefined) return undefined
  const draft = await compose(trust, gun, head, now, { ...accepted, makesSnapshot: true })
  return { kind: 'publish', actor, ...draft, keys: [...draft.keys, ...signed.flatMap(({ keys }) => keys)] }
}

/**
 * Makes and signs the next snapshot.
 *
 * @param head the head that it is computed from
 * @param now milliseconds since 1970
 * @param files checksums of root, targets and every delegation that will be current
 * @throws TrustError SIGNING_FAILED, SIGNER_UNAVAILABLE, CORRUPT
 */
export async function makeSnapshot(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  root: Root,
  files: ReadonlyMap<string, Checksums>,
): Promise<Signed> {
  const version = (highestOf(head)['snapshot'] ?? 0) + 1
  return sign(trust, gun, head, root, 'snapshot', snapshotPayload(version, now + trust.policy.snapshotLife, files))
}

async function sign(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  root: Root,
  role: ServerRole,
  payload: JsonObject,
): Promise<Signed> {
  const named = root.roles[role]
  return signRole(trust, gun, role, named, payload, heldKeys(trust, gun, role, named, head))
}

/** Converts a document for the store. */
export function newDocument({ role, version, bytes, checksums, signatures }: Metadata): NewDocument {
  return { role, version, bytes, sha256: checksums.sha256, keyIds: signatures.map(({ keyid }) => keyid) }
}

/**
 * Returns the highest version so far of each role. After a delete, publishers start at 1 again, but the server continues
 * above the highest versions that it ever made.
 */
export function highestOf(head: Head | undefined): Record<string, number> {
  const entries = Object.entries(head?.highest ?? {})
  const reborn = head?.roles['root'] === undefined
  return Object.fromEntries(reborn ? entries.filter(([role]) => isServerRole(role)) : entries)
}

/** Returns a document's entry for the head. */
export function stateOf({ version, checksums, expires }: Metadata): RoleState {
  const { sha256, sha512, length } = checksums
  return { version, sha256, sha512, length, expires: Math.floor(expires) }
}

/** Returns half the life of a timestamp from now, ± 10 %, so that repositories made together do not come due together. */
function renewalTime(trust: Trust, now: number): number {
  return Math.floor(now + (trust.policy.timestampLife / 2) * (0.9 + 0.2 * trust.random()))
}
