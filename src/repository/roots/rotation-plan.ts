import { clockFault } from '../../store/journal.ts'
import type { Head } from '../../store/store.ts'
import { certificatesOf } from '../../tuf/asn1/x509.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import { matchesGun } from '../../tuf/keys/certificate.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import { HELD_ROLES, type BaseRole } from '../../tuf/role.ts'
import { aliveFrom, isAlive, rootKeys, type Root } from '../../tuf/root.ts'
import { formatTime } from '../../tuf/time.ts'
import { holdsRole } from '../sign-role.ts'
import { signedHere, takeOverCommand } from '../signed-here.ts'
import type { Readable } from '../trust.ts'
import { cachedRoots, storedRoots, type CachedRoot } from './cached.ts'
import { DEAD } from './prepare.ts'
import { inOrder } from './rotated-roles.ts'
import { settleFirst, stagedRoot } from './staged.ts'

/** What a rotation would do. */
export interface RotationPlan {
  readonly gun: string
  readonly roles: readonly BaseRole[]
  /** Version of the next root. */
  readonly version: number
  /** Key ids, as people name them, of which `threshold` must sign. */
  readonly signers: readonly string[]
  readonly threshold: number
  /** The common name in the root certificates in force: the GUN, or a prefix and `*`. */
  readonly commonName: string
  /** The root certificates in force: PEM in base64, as root names them. */
  readonly certificates: readonly string[]
  /** The roles that the server re-signs with it. */
  readonly serverSigns: readonly string[]
  readonly cachedRoots: readonly CachedRoot[]
  /** What stops working, and for whom; empty if nothing does. */
  readonly breaks: readonly string[]
  /** Why it cannot be done; empty if it can. */
  readonly obstacles: readonly string[]
}

/**
 * Plans a root in which these roles have new keys.
 *
 * @param now milliseconds since 1970
 * @returns undefined if there is no such repository
 * @throws TrustError as `storedRoots` does; CORRUPT if a staged root is damaged
 */
export async function planRotation(
  trust: Readable,
  gun: Gun,
  roles: readonly BaseRole[],
  now: number,
): Promise<RotationPlan | undefined> {
  const head = trust.store.head(gun)
  const version = head?.roles['root']?.version
  if (head === undefined || version === undefined) return undefined
  const roots = await storedRoots(trust, gun, version)
  const current = roots.get(version)
  if (current === undefined) return undefined
  const held: Held = (role) => holdsRole(trust, gun, role, current.roles[role])
  return {
    gun,
    roles,
    version: version + 1,
    signers: [...rootKeys(current, gun, undefined).keys.values()].map(canonicalKeyId),
    threshold: current.roles.root.threshold,
    commonName: commonNameOf(current, gun),
    certificates: certificatesIn(current),
    serverSigns: roles.includes('targets') ? HELD_ROLES : ['snapshot', 'timestamp'],
    cachedRoots: await cachedRoots(roots, version, gun, now),
    breaks: breaksOf(roles, signedHere(head) ? held : undefined),
    obstacles: [
      ...clockObstacle(trust, now),
      ...certificateObstacle(current, gun, roles, now),
      ...stagedObstacle(trust, gun),
      ...keyObstacles(gun, head, roles, held),
    ],
  }
}

/** True if the server holds the keys of a role. */
type Held = (role: 'targets' | 'snapshot') => boolean

function clockObstacle({ store }: Readable, now: number): string[] {
  const fault = clockFault(store.tail(), now)
  if (fault === undefined) return []
  return [`${fault}: set the clock, or, if it was ahead before, "countersign clock --accept" first`]
}

function certificateObstacle(root: Root, gun: Gun, roles: readonly BaseRole[], now: number): string[] {
  if (isAlive(root, gun, now)) return []
  const begins = aliveFrom(root, gun, now)
  if (begins === undefined) return [DEAD]
  // New root certificates are valid at once.
  if (roles.includes('root')) return []
  const renew = `countersign key rotate ${shellQuoted(gun)} ${inOrder(['root', ...roles]).join(' ')} --renew`
  const until = formatTime(begins)
  return [`the root certificates are not valid before ${until}, no client accepts them until then: ${renew}`]
}

function stagedObstacle(trust: Readable, gun: Gun): string[] {
  const waiting = stagedRoot(trust, gun)
  if (waiting === undefined) return []
  return [`a root is already waiting for signatures, ${waiting.reason}: ${settleFirst(gun)}`]
}

/** A new root changes the snapshot, and a new targets key must sign targets anew. */
function keyObstacles(gun: Gun, head: Head, roles: readonly BaseRole[], held: Held): string[] {
  const obstacles: string[] = []
  if (!roles.includes('snapshot') && !held('snapshot')) {
    obstacles.push(
      signedHere(head)
        ? `the snapshot key is with the publisher, who can hand it over: notary key rotate ${shellQuoted(gun)} snapshot -r`
        : `snapshot and timestamp are signed elsewhere: ${takeOverCommand(gun)} comes first`,
    )
  }
  if (roles.includes('targets') && !held('targets'))
    obstacles.push('the targets key is with the publisher, who has to rotate it')
  return obstacles
}

function commonNameOf(root: Root, gun: Gun): string {
  const names = [...root.roles.root.keys.values()].map((key) => certificatesOf(key)?.[0]?.commonName)
  return names.find((name) => name !== undefined && matchesGun(name, gun)) ?? gun
}

/** Leaves out what no root key of `countersign root` has: bare keys, and certificates of RSA keys. */
function certificatesIn({ roles }: Root): string[] {
  return [...roles.root.keys.values()].flatMap(({ keytype, public: text }) => (keytype === 'ecdsa-x509' ? [text] : []))
}

/** Does not apply if the root certificates stay the same, which only the command knows. */
export const PINNED_CERTIFICATES =
  'clients that pin root certificates (trust_pinning) refuse the new root until they pin its certificate too'
/** Does not apply if the root keys stay the same, which only the command knows. */
export const PINNED_KEYS =
  'clients that pin root keys (Connaisseur) refuse the roots after it until they pin the new ones'
/** Does not apply if they stay and others are added. */
export const FORMER_KEY = 'whoever holds only the former root key can no longer change this repository'

/** @param held undefined while another server signs the repository */
function breaksOf(roles: readonly BaseRole[], held: Held | undefined): string[] {
  const breaks: string[] = []
  if (roles.includes('root')) {
    breaks.push(
      PINNED_CERTIFICATES,
      PINNED_KEYS,
      'docker before 17.10 and notary before 0.5.1 refuse the roots after it where they have not read this one',
      FORMER_KEY,
    )
  }
  if (held === undefined) {
    breaks.push('any other server that serves and signs this repository now can no longer sign it')
    breaks.push('clients that read or published something newer there are refused here: adopt it again first')
  } else if (roles.includes('snapshot') && !held('snapshot')) {
    breaks.push('the publisher no longer signs snapshots: the server does')
  }
  return breaks
}
