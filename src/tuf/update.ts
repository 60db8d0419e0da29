import { refuse, TrustError } from '../errors.ts'
import type { Checksums } from './checksum.ts'
import type { Current } from './current.ts'
import { checkFileMeta } from './file-meta.ts'
import { shellQuoted, type Gun } from './gun.ts'
import { limitKeys } from './keys/limit.ts'
import { checkThreshold } from './keys/threshold.ts'
import { checkExpiry, type Metadata } from './metadata.ts'
import { isDelegation, isServerRole, parentOf } from './role.ts'
import { aliveFrom, badRoot, isAlive, parseRoot, storedRoot, verifyRoot, type Root } from './root.ts'
import { badSnapshot, parseSnapshot, type SnapshotMeta } from './snapshot.ts'
import { acceptTargets, type TargetsTree } from './targets-tree.ts'
import { formatTime } from './time.ts'
import { checkVersion } from './version.ts'

/** An update that may be committed once the server has signed its part. */
interface Accepted {
  /** The root in force after the update. */
  readonly root: Root
  /** Uploaded documents to store; not those that are current already. */
  readonly documents: readonly Metadata[]
  /** Checksums of root, targets and the delegations that are current after the update. */
  readonly files: ReadonlyMap<string, Checksums>
}

/**
 * Decides whether an upload may become current: makes every check that a client would make, in the order of wire spec §6.
 * Pure: the same input gets the same verdict. Real clients can read whatever it accepts.
 *
 * @param uploads decoded parts, one per role; the caller has dropped a timestamp part (wire spec §5.1)
 * @param now milliseconds since 1970
 * @returns undefined if everything uploaded is current already: a retry of a publish that succeeded
 * @throws TrustError INVALID_UPDATE with Notary's problem name, or VERSION
 */
export function acceptUpdate(
  gun: Gun,
  current: Current,
  uploads: readonly Metadata[],
  now: number,
): Accepted | undefined {
  const fresh = uploads.filter((upload) => current.roles.get(upload.role)?.sha256 !== upload.checksums.sha256)
  if (uploads.length > 0 && fresh.length === 0) return undefined
  const uploaded = new Map(fresh.map((upload) => [upload.role, upload]))
  const root = acceptRoot(gun, current, uploaded.get('root'), now)
  const tree = acceptTargets(root, current, uploaded, now)
  const files = new Map([...current.roles].filter(([role]) => !isServerRole(role)))
  for (const upload of fresh) if (upload.role !== 'snapshot') files.set(upload.role, upload.checksums)
  const meta = acceptSnapshot(gun, root, current, uploaded.get('snapshot'), files, now)
  checkTimestampKeys(gun, root, current)
  for (const upload of fresh) checkVersion(gun, upload, current, tree, now)
  // Checks against other stored documents come after the version check: a publisher who lost a race would fail these
  // too, and must see VERSION, the true reason.
  if (uploaded.has('root')) tree.verifyTargets()
  if (meta !== undefined) checkEntries(meta, files, tree, current)
  return { root, documents: fresh, files }
}

/** @throws TrustError INVALID_UPDATE, unless the stored root's certificates become valid later and a root is uploaded */
function mustBeginLater(stored: Root, gun: Gun, now: number, upload: Metadata | undefined): void {
  const begins = aliveFrom(stored, gun, now)
  if (begins === undefined) {
    return badRoot('the certificates of the stored root have expired: no client accepts this repository any more')
  }
  if (upload !== undefined) return
  const text = `no client accepts this repository before ${formatTime(begins)}, when the certificates of the stored root begin`
  throw new TrustError('INVALID_UPDATE', text, {
    hint: `"countersign repo show ${shellQuoted(gun)}" says how to replace them`,
    problem: { name: 'ErrBadRoot' },
  })
}

/** Returns the root in force after the update (wire spec §6 steps 2 and 3). */
function acceptRoot(gun: Gun, current: Current, upload: Metadata | undefined, now: number): Root {
  const stored = current.load('root')
  const previous = stored === undefined ? undefined : storedRoot(stored)
  // A new root rescues a repository whose certificates are not valid yet: first-time readers take the newest root.
  if (previous !== undefined && !isAlive(previous, gun, now)) mustBeginLater(previous, gun, now, upload)
  if (upload === undefined) {
    return previous ?? refuse('ErrValidation', 'no pre-existing root and no root provided in update.')
  }
  // With nothing stored the current version counts as 1, so a first root may have version 1 or 2 (wire spec §5.3).
  const version = stored?.version ?? 1
  if (upload.version !== version && upload.version !== version + 1) {
    badRoot(`Root modifications must increment the version. Current ${version}, new ${upload.version}`)
  }
  const root = parseRoot(upload)
  limitKeys(Object.values(root.roles), new Set(), badRoot)
  verifyRoot(root, previous, gun, now)
  checkExpiry(upload, now, badRoot)
  return root
}

/** Checks an uploaded snapshot (wire spec §6.5). @returns its entries; undefined if the server makes it (§6.6) */
function acceptSnapshot(
  gun: Gun,
  root: Root,
  current: Current,
  upload: Metadata | undefined,
  files: ReadonlyMap<string, Checksums>,
  now: number,
): SnapshotMeta | undefined {
  const { keys, threshold } = root.roles.snapshot
  const owners = [...keys.keys()].map((id) => current.keyOwner(id))
  if (owners.some((owner) => owner !== undefined && (owner.gun !== gun || owner.role !== 'snapshot'))) {
    badRoot('root names a snapshot key that this server made for another repository or role')
  }
  if (upload === undefined) {
    if (owners.filter((owner) => owner !== undefined).length < threshold) {
      // Notary's words, which do not say what to do.
      const text = 'no snapshot was included in update and server does not hold current snapshot key for repository'
      refuse('ErrBadHierarchy', `${text}: ${missingSnapshotKey(gun, [...keys.keys()])}`, 'snapshot')
    }
    return files.has('targets') ? undefined : refuse('ErrValidation', 'targets must be loaded first')
  }
  const meta = parseSnapshot(upload)
  checkThreshold(upload, root.roles.snapshot, badSnapshot)
  checkExpiry(upload, now, badSnapshot)
  return meta
}

/** Says how to get on without the snapshot key, which an owner has or the server that the repository was adopted from. */
function missingSnapshotKey(gun: Gun, keyIds: readonly string[]): string {
  const rotate = `notary key rotate ${shellQuoted(gun)} snapshot -r`
  return `${keyIds.join(' or ')}; who has it can publish; or bring it here: countersign key import; or replace it: ${rotate}`
}

/**
 * Checks that every entry of a client's snapshot names exactly what is current after this update, and that no role still
 * delegated is missing (wire spec §6.5, §19.31, §19.47). A snapshot may drop a role that is no longer delegated, and one
 * whose parent is uploaded: `notary delegation remove` and `add` in one publish leave the role without metadata.
 */
function checkEntries(meta: SnapshotMeta, files: Map<string, Checksums>, tree: TargetsTree, current: Current): void {
  for (const [name, entry] of meta) {
    const checksums = files.get(name)
    if (checksums === undefined && isLeftOver(name, tree, current)) continue
    if (checksums === undefined) return badSnapshot(`snapshot names ${name}, which ${whyNotHere(name, current)}`)
    checkFileMeta(entry, checksums, name, badSnapshot)
  }
  for (const role of files.keys()) {
    if (meta.has(role)) continue
    const delegatedAnew = isDelegation(role) && tree.uploaded(parentOf(role))
    if (tree.uploaded(role) || (tree.delegated(role) && !delegatedAnew)) {
      badSnapshot(`no checksums for supported algorithms were provided for ${role}`)
    }
    files.delete(role)
  }
}

function whyNotHere(name: string, { floor }: Current): string {
  return isDelegation(name) && floor(name) > 0
    ? 'an earlier snapshot dropped: upload it again, or leave it out'
    : 'was never uploaded'
}

/**
 * True for a role that is no longer delegated but that the stored snapshot names. An adopted repository may lack its
 * document: no client asks for it, and the publisher's next snapshot still names it.
 */
function isLeftOver(name: string, tree: TargetsTree, current: Current): boolean {
  const before = tree.delegated(name) ? undefined : current.load('snapshot')
  return before !== undefined && parseSnapshot(before).has(name)
}

/** Checks the timestamp keys (wire spec §6 step 6); also refuses any that this server did not make for this repository. */
function checkTimestampKeys(gun: Gun, root: Root, current: Current): void {
  const owners = [...root.roles.timestamp.keys.keys()].map((id) => current.keyOwner(id))
  if (owners.every((owner) => owner === undefined)) badRoot('no timestamp keys exist on the server')
  if (owners.some((owner) => owner?.gun !== gun || owner.role !== 'timestamp')) {
    badRoot('root names a timestamp key that this server did not make for this repository')
  }
}
