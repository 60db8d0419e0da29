import { refuse, TrustError } from '../errors.ts'
import type { Current } from './current.ts'
import type { Fail } from './json/members.ts'
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
import { parseTargets, type Targets } from './targets.ts'

/** targets and its delegations as they are after an update. */
export interface TargetsTree {
  readonly uploaded: (role: string) => boolean
  /** True when every ancestor up to targets delegates to this role. */
  readonly delegated: (role: string) => boolean
  /** False when what is stored of a delegation is not signed by the keys that it has after this update. */
  readonly believed: (role: DelegationRole) => boolean
  /**
   * Also where targets was not uploaded: a root that names other targets keys leaves the stored ones unreadable, unless
   * they come signed anew with it.
   *
   * @throws TrustError INVALID_UPDATE, ErrBadTargets
   */
  readonly verifyTargets: () => void
}

const badTargets: Fail = (text) => refuse('ErrBadTargets', text)

/**
 * Signatures that are verified for one update. Nothing else is done meanwhile, and whoever uploads chooses how many there
 * are: each takes milliseconds.
 */
const SIGNATURES_MAX = 256

/**
 * Verify the uploaded targets and delegations, ancestors first, each by the keys that its parent names after this
 * update (wire spec §6 step 4, §6.3, §6.4). Ancestors that were not uploaded come from storage; they may have expired.
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
    const targets = parseTargets(metadata, uploads.has(role) ? soundOrNothing(() => current.load(role)) : undefined)
    checkThreshold(metadata, keys, badTargets)
    limitKeys(targets.delegations.values(), keyIds, badTargets)
    return targets
  }

  function believed(role: DelegationRole): boolean {
    const named = load(parentOf(role))?.delegations.get(role)
    const stored = soundOrNothing(() => current.load(role))?.metadata
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
 * What is stored was sound by the rules of its time; by newer rules it may not be, or it may be damaged by now: it must not
 * stand in the way of what takes its place.
 */
function soundOrNothing(load: () => Metadata | undefined): Targets | undefined {
  try {
    const metadata = load()
    return metadata && parseTargets(metadata)
  } catch (error) {
    if (error instanceof TrustError) return undefined
    throw error
  }
}

/** Walks up by structure alone: a parent that clients skip today may be signed again tomorrow. */
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
