import { clockFault } from '../../store/journal.ts'
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
import { inOrder } from './rotated-roles.ts'
import { stagedRoot } from './staged.ts'

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
  const held = (each: 'targets' | 'snapshot'): boolean => holdsRole(trust, gun, each, current.roles[each])
  const obstacles: string[] = []
  const clock = clockFault(trust.store.tail(), now)
  if (clock !== undefined)
    obstacles.push(`${clock}: set the clock, or, if it was ahead before, "countersign clock --accept" first`)
  const begins = aliveFrom(current, gun, now)
  if (begins !== undefined && !roles.includes('root')) {
    const renew = `countersign key rotate ${shellQuoted(gun)} ${inOrder(['root', ...roles]).join(' ')} --renew`
    obstacles.push(
      `the root certificates are not valid before ${formatTime(begins)}, no client accepts them until then: ${renew}`,
    )
  } else if (begins === undefined && !isAlive(current, gun, now))
    obstacles.push('the root certificates have expired: no client accepts this repository any more')
  const waiting = stagedRoot(trust, gun)
  if (waiting !== undefined) {
    const first = `"countersign root sign ${shellQuoted(gun)}" or "countersign root discard ${shellQuoted(gun)}" first`
    obstacles.push(`a root is already waiting for signatures, ${waiting.reason}: ${first}`)
  }
  if (!roles.includes('snapshot') && !held('snapshot')) {
    obstacles.push(
      signedHere(head)
        ? `the snapshot key is with the publisher, who can hand it over: notary key rotate ${shellQuoted(gun)} snapshot -r`
        : `snapshot and timestamp are signed elsewhere: ${takeOverCommand(gun)} comes first`,
    )
  }
  if (roles.includes('targets') && !held('targets'))
    obstacles.push('the targets key is with the publisher, who has to rotate it')
  return {
    gun,
    roles,
    version: version + 1,
    signers: [...rootKeys(current, gun, undefined).keys.values()].map(canonicalKeyId),
    threshold: current.roles.root.threshold,
    commonName: commonNameOf(current, gun),
    serverSigns: roles.includes('targets') ? HELD_ROLES : ['snapshot', 'timestamp'],
    cachedRoots: await cachedRoots(roots, version, gun, now),
    breaks: breaksOf(roles, signedHere(head) ? held : undefined),
    obstacles,
  }
}

function commonNameOf(root: Root, gun: Gun): string {
  const names = [...root.roles.root.keys.values()].map((key) => certificatesOf(key)?.[0]?.commonName)
  return names.find((name) => name !== undefined && matchesGun(name, gun)) ?? gun
}

/** Does not apply if the root keys stay the same, which only the command knows. */
export const PINNED_KEYS =
  'clients that pin root keys (Connaisseur) refuse the roots after it until they pin the new ones'
/** Does not apply if they stay and others are added. */
export const FORMER_KEY = 'whoever holds only the former root key can no longer change this repository'

function breaksOf(roles: readonly BaseRole[], held: ((role: 'targets' | 'snapshot') => boolean) | undefined): string[] {
  const breaks: string[] = []
  if (roles.includes('root')) {
    breaks.push(
      'clients that pin root certificates (trust_pinning) refuse the new root until they pin its certificate too',
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
