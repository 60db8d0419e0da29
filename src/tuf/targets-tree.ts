import { TrustError } from '../errors.ts'
import type { Current } from './current.ts'
import { limitKeys } from './keys/limit.ts'
import { checkThreshold, countSigners } from './keys/threshold.ts'
import { checkExpiry, type Metadata } from './metadata.ts'
import {
  isDelegation,
  isRole,
  isTargetsRole,
  parentOf,
  type DelegationRole,
  type Role,
  type TargetsRole,
} from './role.ts'
import type { Root } from './root.ts'
import { badTargets, parseTargets, type Targets } from './targets.ts'

/** targets and its delegations after an update. */
export interface TargetsTree {
  readonly uploaded: (role: string) => boolean
  /** True when every ancestor up to targets delegates to this role. */
  readonly delegated: (role: string) => boolean
  /** False if a delegation's stored document is not signed by the keys that it has after this update. */
  readonly believed: (role: DelegationRole) => boolean
  /**
   * Verifies targets even if it was not uploaded: a root that names other targets keys makes the stored targets
   * unreadable, unless newly signed ones come with it.
   *
   * @throws TrustError INVALID_UPDATE, ErrBadTargets
   */
  readonly verifyTargets: () => void
}

/**
 * The most signatures verified for one update. Uploaders choose how many there are, each can take milliseconds, and
 * verification blocks the thread.
 */
const SIGNATURES_MAX = 256

/**
 * Verifies the uploaded targets and delegations, ancestors first, each by the keys that its parent names after this
 * update (wire spec §6 step 4, §6.3, §6.4). Ancestors that were not uploaded come from the store and may have expired.
 *
 * @throws TrustError INVALID_UPDATE, ErrBadTargets
 */
export function acceptTargets(
  root: Root,
  current: Pick<Current, 'load'>,
  uploads: ReadonlyMap<Role, Metadata>,
  now: number,
): TargetsTree {
  const verified = new Map<TargetsRole, Targets | undefined>()
  let signatures = 0
  const keyIds = new Set<string>()

  function load(role: TargetsRole): Targets | undefined {
    if (verified.has(role)) return verified.get(role)
    const upload = uploads.get(role)
    const metadata = upload ?? current.load(role)
    const targets = metadata === undefined ? undefined : verify(role, metadata)
    if (upload !== undefined) checkExpiry(upload, now, badTargets)
    verified.set(role, targets)
    return targets
  }

  function verify(role: TargetsRole, metadata: Metadata): Targets {
    const keys = role === 'targets' ? root.roles.targets : load(parentOf(role))?.delegations.get(role)
    if (keys === undefined) return badTargets(`tuf: invalid role ${role}. delegation does not exist`)
    signatures += metadata.signatures.length
    if (signatures > SIGNATURES_MAX) badTargets(`more than ${SIGNATURES_MAX} signatures to verify for one update`)
    const targets = parseTargets(metadata, uploads.has(role) ? soundOrUndefined(() => current.load(role)) : undefined)
    checkThreshold(metadata, keys, badTargets)
    limitKeys(targets.delegations.values(), keyIds, badTargets)
    return targets
  }

  function believed(role: DelegationRole): boolean {
    const named = load(parentOf(role))?.delegations.get(role)
    const stored = soundOrUndefined(() => current.load(role))?.metadata
    return named === undefined || stored === undefined || countSigners(stored, named.keys) >= named.threshold
  }

  const roles = [...uploads.keys()].filter(isTargetsRole)
  for (const role of roles.toSorted(byDepthThenName)) load(role)
  return {
    uploaded: (role) => isRole(role) && uploads.has(role),
    delegated: (role) => isDelegation(role) && delegates(role, current, uploads),
    believed,
    verifyTargets: () => void load('targets'),
  }
}

/**
 * Returns undefined for a stored document that is damaged, or that newer rules would refuse: it must not keep anyone from
 * replacing it.
 */
function soundOrUndefined(load: () => Metadata | undefined): Targets | undefined {
  try {
    const metadata = load()
    return metadata && parseTargets(metadata)
  } catch (error) {
    if (error instanceof TrustError) return undefined
    throw error
  }
}

/** Walks up without verifying signatures: a parent that clients skip today may be signed again tomorrow. */
function delegates(
  role: DelegationRole,
  current: Pick<Current, 'load'>,
  uploads: ReadonlyMap<Role, Metadata>,
): boolean {
  const parent = parentOf(role)
  const metadata = uploads.get(parent) ?? current.load(parent)
  if (metadata === undefined || !parseTargets(metadata).delegations.has(role)) return false
  return parent === 'targets' || delegates(parent, current, uploads)
}

function byDepthThenName(one: TargetsRole, other: TargetsRole): number {
  return one.split('/').length - other.split('/').length || (one < other ? -1 : 1)
}
