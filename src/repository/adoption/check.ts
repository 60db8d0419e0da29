import { refuse, TrustError } from '../../errors.ts'
import type { Commit } from '../../store/store.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import { parseRoot, rootKeys } from '../../tuf/root.ts'
import { FIRST_VERSION_MAX } from '../../tuf/version.ts'
import { rootFault, viewAsClient } from '../client-view.ts'
import type { Readable } from '../trust.ts'
import type { Offered } from './offer.ts'

/** The highest version of root, since all versions from the first are looked up. No repository has so many. */
const ROOT_VERSION_MAX = 10_000

/** A summary of an offered repository. */
export interface OfferSummary {
  /** The first and the last version of its roots. */
  readonly roots: { readonly first: number; readonly last: number }
  /** Ids of the root keys that the current root names, as people name them. */
  readonly rootKeys: readonly string[]
  /** Version of targets. */
  readonly version: number
  /** When the timestamp expires, RFC 3339: clients refuse it from then on, unless this server signs another one. */
  readonly timestampEnds: string
  /** What clients tolerate, but people should know. */
  readonly warnings: readonly string[]
}

/**
 * Verifies an offered repository as the most distrustful client would.
 *
 * @param head the head that it would have
 * @param trusted checksum (hex SHA-256) of a root that must be among its roots
 * @param now milliseconds since 1970
 * @throws TrustError INVALID_UPDATE if a client would refuse it, or the trusted root is not among its roots
 */
export async function verifyOffered(
  { current, view }: Offered,
  gun: Gun,
  head: Commit['head'],
  trusted: string | undefined,
  now: number,
): Promise<OfferSummary> {
  const root = parseRoot(current.get('root')!)
  if (rootKeys(root, gun, now).keys.size === 0 && rootKeys(root, gun, undefined).keys.size > 0) {
    refuse('ErrBadRoot', `${rootFault(root, gun, now)}, wherever it is`)
  }
  for (const { role, version } of current.values()) {
    const most = role === 'root' ? ROOT_VERSION_MAX : FIRST_VERSION_MAX
    if (version > most) refuse('ErrValidation', `${role} version ${version} is above ${most}`)
  }
  // With no due time: this server has not signed anything of it yet.
  const warnings = await refusals(gun, () => viewAsClient(view, gun, { ...head, renewAt: null, revision: 0 }, now))
  const last = root.metadata.version
  const stored = Array.from({ length: last }, (_, index) => view.store.document(gun, 'root', { version: index + 1 }))
  const roots = stored.filter((each) => each !== undefined)
  if (trusted !== undefined && !roots.some(({ sha256 }) => sha256 === trusted)) {
    throw new TrustError('INVALID_UPDATE', `none of the roots of ${gun} is the one that is trusted`, {
      problem: { name: 'ErrBadRoot' },
      hint: 'if the trusted root is that of this repository, ask its owner before you adopt what is here',
    })
  }
  const first = roots[0]?.version ?? last
  if (first > 2) {
    // The root just before the first still leads to it. Clients try the newest root before they look for those in between.
    const which = `clients that have a root older than version ${first - 1} cached`
    const forget = `must forget theirs: rm -r ~/.docker/trust/tuf/${shellQuoted(gun)}`
    warnings.push(`${which} follow only where its root key has signed version ${last} too; others ${forget}`)
  }
  return {
    roots: { first, last },
    rootKeys: [...rootKeys(root, gun, undefined).keys.values()].map(canonicalKeyId),
    version: current.get('targets')!.version,
    timestampEnds: new Date(head.roles['timestamp']!.expires).toISOString(),
    warnings,
  }
}

/** Runs a client's checks; turns their errors, worded for stored data, into a refusal of the offer. */
async function refusals<T>(gun: Gun, view: () => Promise<T>): Promise<T> {
  try {
    return await view()
  } catch (error) {
    if (error instanceof TrustError && error.code === 'CORRUPT') {
      return refuse('ErrValidation', `clients would refuse ${gun}: ${error.message}`)
    }
    throw error
  }
}

/** @throws TrustError INVALID_UPDATE if root names a key of this server that belongs to another repository or role */
export function refuseKeysOfOthers(trust: Readable, gun: Gun, { current }: Offered): void {
  const { roles } = parseRoot(current.get('root')!)
  for (const role of ['timestamp', 'snapshot'] as const) {
    for (const keyId of roles[role].keys.keys()) {
      const owner = trust.store.keyOwner(keyId)
      if (owner === undefined || (owner.gun === gun && owner.role === role)) continue
      refuse('ErrBadRoot', `root names a ${role} key that this server made for another repository or role`)
    }
  }
}
