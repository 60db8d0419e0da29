import { noSuchRepository, refuse, TrustError } from '../errors.ts'
import type { Actor, Commit, Head } from '../store/store.ts'
import { mustBeUnder, typed, type Gun } from '../tuf/gun.ts'
import { canonicalKeyId } from '../tuf/key.ts'
import { isDelegation, type ServerRole } from '../tuf/role.ts'
import { parseRoot, rootKeys, type Root } from '../tuf/root.ts'
import { change } from './change.ts'
import { viewAsClient } from './client-view.ts'
import { highestOf, newDocument, stateOf } from './compose.ts'
import { readOffered, type ForeignDocument, type Offered } from './offered.ts'
import { heldKeys } from './sign-role.ts'
import { signedHere } from './signed-here.ts'
import { withoutStagedRoot } from './staged-root.ts'
import { tagChanges } from './tag-changes.ts'
import type { Trust } from './trust.ts'

/** Versions of root: each is looked for, from the first one on. No repository has so many. */
const ROOT_VERSION_MAX = 10_000
/** Of other roles: this server goes on counting from there, for years, and must not come to the end of its numbers. */
const VERSION_MAX = 2 ** 30

/** What was taken over. */
export interface Adopted {
  /** False: all of it was here already. */
  readonly changed: boolean
  /** The first and the last version of root that are here. */
  readonly roots: { readonly first: number; readonly last: number }
  /** Ids of the keys that the current root trusts, as people name them. */
  readonly rootKeys: readonly string[]
  /** Versions of targets. */
  readonly version: number
  /** True: this server has the timestamp key, and signs with it from now on. */
  readonly signedHere: boolean
  /** When the timestamp ends that came along, RFC 3339: unless it is signed here, clients refuse it from then on. */
  readonly timestampEnds: string
  /** What clients would not refuse it for, but people should know. */
  readonly warnings: readonly string[]
}

/**
 * Take over a repository from another server, byte for byte: the roots that clients may have cached, and what is current.
 * It is verified as the most distrustful client would do it; what has expired is taken all the same, but for root. As long
 * as this server cannot sign its timestamp it only hands on what it has, and newer states may be taken over the same way.
 *
 * @param trusted checksum (hex SHA-256) of a root that somebody knows: one of its roots must be that one
 * @throws TrustError INVALID_GUN, MALFORMED_JSON, INVALID_UPDATE if a client would refuse it, VERSION if it is behind what
 *   is here or beside it, WRONG_STATE if this server signs the repository already
 */
export async function adopt(
  trust: Trust,
  gun: Gun,
  documents: readonly ForeignDocument[],
  trusted: string | undefined,
  actor: Actor,
): Promise<Adopted> {
  mustBeUnder(gun, trust.policy.gunPrefixes)
  let found: Omit<Adopted, 'changed'> | undefined
  const changed = await change(trust, gun, async (head, now) => {
    const offered = readOffered(trust, documents, now)
    mustBeAhead(gun, head, offered)
    const next = nextHead(trust, gun, head, offered, now)
    const seen = look(offered, gun, next, trusted, now)
    found = { ...seen, signedHere: signedHere(next), warnings: [...seen.warnings, ...lostRoots(gun, head, offered)] }
    if (isHere(trust, gun, head, offered)) return undefined
    return {
      kind: 'publish',
      actor,
      head: next,
      documents: offered.documents.map(newDocument),
      // Made for the root after the one that was current.
      records: head?.roles['root']?.sha256 === next.roles['root']?.sha256 ? [] : withoutStagedRoot(trust, gun),
      changes: tagChanges(trust, gun, head, [...offered.current.values()]),
    }
  })
  return found === undefined ? noSuchRepository(gun) : { ...found, changed }
}

/** Whoever has read newer roots here, in an earlier life of the repository, takes no older one, nor another of that version. */
function lostRoots(gun: Gun, head: Head | undefined, { current }: Offered): string[] {
  const highest = head?.roles['root'] === undefined ? (head?.highest['root'] ?? 0) : 0
  if (highest <= (current.get('root')?.version ?? 0)) return []
  return [`clients that have root version ${highest} cached, which was deleted here, must forget ${gun}`]
}

/** Older roots may be new here, though all that is current is not. */
function isHere({ store }: Trust, gun: Gun, head: Head | undefined, { documents, current }: Offered): boolean {
  const roles = head?.roles ?? {}
  const same = [...current].every(([role, { checksums }]) => roles[role]?.sha256 === checksums.sha256)
  if (!same || Object.keys(roles).length !== current.size) return false
  return documents.every(({ role, version }) => store.document(gun, role, { version }) !== undefined)
}

/** @throws TrustError WRONG_STATE, VERSION, INVALID_UPDATE if clients could not go from the root that is here to the new one */
function mustBeAhead(gun: Gun, head: Head | undefined, { current, documents }: Offered): void {
  if (head?.roles['root'] === undefined) return
  if (signedHere(head)) {
    throw new TrustError('WRONG_STATE', `${gun} is signed by this server: nothing from elsewhere takes its place`, {
      hint: 'publishers send what is new to this server now',
    })
  }
  // One that was gone for a while comes back as it was, or newer: clients may have it cached.
  for (const [role, { version }] of current) {
    const seen = isDelegation(role) ? (head.highest[role] ?? 0) : 0
    if (version < seen) throw behind(gun, role, seen, version)
  }
  for (const [role, here] of Object.entries(head.roles)) {
    const there = current.get(role)
    if (there === undefined && isDelegation(role)) continue
    if (there === undefined || there.version < here.version) {
      throw behind(gun, role, here.version, there?.version ?? 0)
    }
    if (there.version === here.version && there.checksums.sha256 !== here.sha256) {
      throw new TrustError('VERSION', `${role} version ${here.version} of ${gun} is here already, with other content`)
    }
  }
  const next = head.roles['root'].version + 1
  if (documents.every(({ role, version }) => role !== 'root' || version > next)) {
    const text = `root version ${next} is missing, between the one that is here and those that are offered`
    throw new TrustError('INVALID_UPDATE', text, {
      problem: { name: 'ErrBadRoot' },
      hint: `find it; or adopt without those that are here: countersign repo delete ${typed(gun)}, and once more`,
    })
  }
}

function behind(gun: Gun, role: string, here: number, there: number): TrustError {
  return new TrustError('VERSION', `${role} version ${here} of ${gun} was here already, and ${there} is offered`)
}

function nextHead(trust: Trust, gun: Gun, head: Head | undefined, { current }: Offered, now: number): Commit['head'] {
  const root = currentRoot(current)
  const highest = highestOf(head)
  // In a new life its publisher goes on with the snapshot from there: what the server made in an earlier one is no bar.
  if (head?.roles['root'] === undefined && !holds(trust, gun, 'snapshot', root)) delete highest['snapshot']
  for (const [role, { version }] of current) highest[role] = Math.max(version, highest[role] ?? 0)
  const roles = Object.fromEntries([...current].map(([role, metadata]) => [role, stateOf(metadata)]))
  refuseKeysOfOthers(trust, gun, root)
  return { roles, highest, renewAt: holds(trust, gun, 'timestamp', root) ? now : null }
}

function currentRoot(current: Offered['current']): Root {
  return parseRoot(current.get('root')!)
}

/** @throws TrustError INVALID_UPDATE for a key of this server that belongs to another repository or role */
function refuseKeysOfOthers(trust: Trust, gun: Gun, { roles }: Root): void {
  for (const role of ['timestamp', 'snapshot'] as const) {
    for (const keyId of roles[role].keys.keys()) {
      const owner = trust.store.keyOwner(keyId)
      if (owner === undefined || (owner.gun === gun && owner.role === role)) continue
      refuse('ErrBadRoot', `root names a ${role} key that this server made for another repository or role`)
    }
  }
}

function holds(trust: Trust, gun: Gun, role: ServerRole, { roles }: Root): boolean {
  return heldKeys(trust, gun, role, roles[role]).length >= roles[role].threshold
}

/** @throws TrustError INVALID_UPDATE if a client would refuse it, or the trusted root is not among its roots */
function look(
  { current, view }: Offered,
  gun: Gun,
  head: Commit['head'],
  trusted: string | undefined,
  now: number,
): Omit<Adopted, 'changed' | 'signedHere'> {
  const root = currentRoot(current)
  if (rootKeys(root, gun, now).keys.size === 0 && rootKeys(root, gun, undefined).keys.size > 0) {
    refuse('ErrBadRoot', `the root certificates of ${gun} have ended: no client accepts it any more, wherever it is`)
  }
  for (const { role, version } of current.values()) {
    const most = role === 'root' ? ROOT_VERSION_MAX : VERSION_MAX
    if (version > most) refuse('ErrValidation', `${role} version ${version} is above ${most}`)
  }
  const warnings = refusals(gun, () => viewAsClient(view, gun, { ...head, revision: 0 }, now))
  const last = root.metadata.version
  const stored = Array.from({ length: last }, (_, index) => view.store.document(gun, 'root', { version: index + 1 }))
  const roots = stored.filter((each) => each !== undefined)
  if (trusted !== undefined && !roots.some(({ sha256 }) => sha256 === trusted)) {
    refuse('ErrBadRoot', `none of the roots of ${gun} is the one that is trusted`)
  }
  const first = roots[0]?.version ?? last
  if (first > 2) {
    // The one just before it leads to it.
    const which = `clients that have a root older than version ${first - 1} cached`
    warnings.push(`${which} cannot follow, and must forget it: rm -r ~/.docker/trust/tuf/${typed(gun)}`)
  }
  return {
    roots: { first, last },
    rootKeys: [...rootKeys(root, gun, undefined).keys.values()].map(canonicalKeyId),
    version: current.get('targets')!.version,
    timestampEnds: new Date(head.roles['timestamp']!.expires).toISOString(),
    warnings,
  }
}

/** What a client would say, as a refusal of what is offered instead of damage to what is stored. */
function refusals<T>(gun: Gun, view: () => T): T {
  try {
    return view()
  } catch (error) {
    if (error instanceof TrustError && error.code === 'CORRUPT') {
      return refuse('ErrValidation', `clients would refuse ${gun}: ${error.message}`)
    }
    throw error
  }
}
