import { typed, type Gun } from '../tuf/gun.ts'
import { canonicalKeyId } from '../tuf/key.ts'
import { matchesGun } from '../tuf/certificate.ts'
import { certificatesOf } from '../tuf/x509.ts'
import { parseMetadata } from '../tuf/metadata.ts'
import type { BaseRole } from '../tuf/role.ts'
import { parseRoot, rootKeys, type Root } from '../tuf/root.ts'
import { countSigners } from '../tuf/threshold.ts'
import { rootCertificatesEnd } from './expiry.ts'
import { holdsRole } from './sign-role.ts'
import { signedHere, takeOverCommand } from './signed-here.ts'
import { stagedRoot } from './staged-root.ts'
import type { Readable } from './trust.ts'

/** What a rotation would do, before anything is done. */
export interface RotationPlan {
  readonly gun: string
  readonly roles: readonly BaseRole[]
  /** Version of the root that will be made. */
  readonly version: number
  /** Key ids, as people name them, of which `threshold` must sign. */
  readonly signers: readonly string[]
  readonly threshold: number
  /** Whom the root certificates in force name: the GUN, or a prefix and `*`. */
  readonly commonName: string
  /** What the server signs with it. */
  readonly serverSigns: readonly string[]
  /** Clients that have this version of root cached, and whether they follow without an error. */
  readonly cachedRoots: readonly { readonly version: number; readonly follows: boolean; readonly why?: string }[]
  /** What stops working, for whom; empty: nothing. */
  readonly breaks: readonly string[]
  /** Why it cannot be done; empty: it can. */
  readonly obstacles: readonly string[]
}

/**
 * Plan one root in which these roles have new keys.
 *
 * @param now milliseconds since 1970
 * @returns undefined if there is no such repository
 */
export function planRotation(
  trust: Readable,
  gun: Gun,
  roles: readonly BaseRole[],
  now: number,
): RotationPlan | undefined {
  const head = trust.store.head(gun)
  const version = head?.roles['root']?.version
  if (head === undefined || version === undefined) return undefined
  const roots = storedRoots(trust, gun, version)
  const current = roots.get(version)
  if (current === undefined) return undefined
  const held = (each: 'targets' | 'snapshot'): boolean => holdsRole(trust, gun, each, current.roles[each])
  const obstacles: string[] = []
  const valid = rootKeys(current, gun, now)
  if (valid.keys.size === 0)
    obstacles.push('every root certificate has expired: no client accepts this repository any more')
  const waiting = stagedRoot(trust, gun)
  if (waiting !== undefined) {
    const first = `"countersign root sign ${typed(gun)}" or "countersign root discard ${typed(gun)}" first`
    obstacles.push(`a root waits for signatures already, ${waiting.reason}: ${first}`)
  }
  if (!roles.includes('snapshot') && !held('snapshot')) {
    obstacles.push(
      signedHere(head)
        ? `the snapshot key is with the publisher, who can hand it over: notary key rotate ${typed(gun)} snapshot -r`
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
    serverSigns: roles.includes('targets') ? ['targets', 'snapshot', 'timestamp'] : ['snapshot', 'timestamp'],
    cachedRoots: cachedRoots(roots, version, gun, now),
    breaks: breaksOf(roles, current, signedHere(head) ? held : undefined, now),
    obstacles,
  }
}

function storedRoots(trust: Readable, gun: Gun, newest: number): Map<number, Root> {
  const roots = new Map<number, Root>()
  for (let version = 1; version <= newest; version += 1) {
    const document = trust.store.document(gun, 'root', { version })
    if (document !== undefined) roots.set(version, parseRoot(parseMetadata('root', document.bytes)))
  }
  return roots
}

function commonNameOf(root: Root, gun: Gun): string {
  const names = [...root.roles.root.keys.values()].map((key) => certificatesOf(key)?.[0]?.commonName)
  return names.find((name) => name !== undefined && matchesGun(name, gun)) ?? gun
}

/**
 * A client walks from its own root to the newest, version by version: each signed by the keys of the one before, and by
 * its own, whose certificates must be valid at this moment; those of the cached root too (wire spec §6.2, §19.24).
 */
function cachedRoots(
  roots: ReadonlyMap<number, Root>,
  newest: number,
  gun: Gun,
  now: number,
): RotationPlan['cachedRoots'] {
  let broken: string | undefined
  const found: { version: number; follows: boolean; why?: string }[] = []
  for (let version = newest; version >= 1; version -= 1) {
    const root = roots.get(version)
    const next = roots.get(version + 1)
    if (version < newest && next === undefined) broken ??= `version ${version + 1} is not stored`
    if (root === undefined) {
      // Who has one that is not here cannot be told whether it leads on, but where it does not.
      if (broken !== undefined) found.push({ version, follows: false, why: broken })
      continue
    }
    if (version < newest && broken === undefined && next !== undefined) {
      const keys = rootKeys(root, gun, undefined)
      if (countSigners(next.metadata, keys, misfiled) < keys.threshold) {
        broken = `version ${version + 1} is not signed by the keys of version ${version}`
      }
    }
    const own = rootKeys(root, gun, now)
    if (countSigners(root.metadata, own, misfiled) < own.threshold) {
      broken ??= `root certificates of version ${version} have ended`
    }
    found.push(broken === undefined ? { version, follows: true } : { version, follows: false, why: broken })
  }
  return found.toReversed()
}

/** Not so where the root keys are the same again, which is said to the command alone. */
export const PINNED_KEYS =
  'clients that pin root keys (Connaisseur) refuse the roots after it until they pin the new ones'
/** Not so where they stay, with others beside them. */
export const FORMER_KEY = 'who holds only the former root key can change this repository no more'

function breaksOf(
  roles: readonly BaseRole[],
  current: Root,
  held: ((role: 'targets' | 'snapshot') => boolean) | undefined,
  now: number,
): string[] {
  const breaks: string[] = []
  if (roles.includes('root')) {
    breaks.push(
      'clients that pin root certificates (trust_pinning) refuse the new root until they pin its certificate too',
      PINNED_KEYS,
      FORMER_KEY,
    )
  }
  if (held === undefined) {
    breaks.push('what else serves this repository, and signs it until now, can do so no more')
    breaks.push('who read or published something newer there is refused here: adopt it once more first')
  } else if (roles.includes('snapshot') && !held('snapshot')) {
    breaks.push('the publisher signs snapshots no more: the server does')
  }
  if ((rootCertificatesEnd(current.roles.root) ?? Infinity) < now)
    breaks.push('clients refuse this repository already: its root certificates have ended')
  return breaks
}

/** Cannot happen: `rootKeys` files each key under its own id. */
function misfiled(): never {
  throw new Error('a stored root has a key under an id that is not its own')
}
