import { TrustError } from '../../errors.ts'
import type { Head } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import type { Metadata } from '../../tuf/metadata.ts'
import { RELEASES } from '../../tuf/role.ts'
import type { TargetsEdit } from '../../tuf/targets-edit.ts'
import { parseTargets, targetEntries, type Targets } from '../../tuf/targets.ts'
import { recallCurrent } from '../current.ts'
import type { Trust } from '../trust.ts'

/**
 * Reads `targets/releases` if clients believe it: if enough of its keys have signed it.
 *
 * @param delegations of targets
 * @returns undefined otherwise, and if it cannot be read
 */
export function signedReleases(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  delegations: Targets['delegations'],
): Metadata | undefined {
  const named = delegations.get(RELEASES)
  try {
    const metadata = named && recallCurrent(trust, gun, head, RELEASES)
    return metadata && named && countSigners(metadata, named.keys) >= named.threshold ? metadata : undefined
  } catch (error) {
    if (error instanceof TrustError) return undefined
    throw error
  }
}

/**
 * Returns the tags of an edit of targets that docker will still see differently, since it looks in `targets/releases`
 * first.
 */
export function shadowedTags(trust: Trust, gun: Gun, { set, remove }: TargetsEdit): string[] {
  const head = trust.store.head(gun)
  const targets = head?.roles[RELEASES] && recallCurrent(trust, gun, head, 'targets')
  const releases = targets && signedReleases(trust, gun, head, parseTargets(targets).delegations)
  const said = new Map(releases && targetEntries(releases).map(({ name, sha256 }) => [name, sha256]))
  const others = set.filter(({ tag, sha256 }) => said.has(tag) && said.get(tag) !== sha256).map(({ tag }) => tag)
  return [...others, ...remove.filter((tag) => said.has(tag))]
}

/**
 * Returns the tags that a signer removes and targets signs too: docker takes them from there, once `targets/releases`
 * does not have them.
 */
export function remainingTags(trust: Trust, gun: Gun, { remove }: TargetsEdit): string[] {
  const head = trust.store.head(gun)
  const targets = remove.length > 0 ? recallCurrent(trust, gun, head, 'targets') : undefined
  const said = new Set(targets && targetEntries(targets).map(({ name }) => name))
  return remove.filter((tag) => said.has(tag))
}
