import { setImmediate } from 'node:timers/promises'
import type { Gun } from '../../tuf/gun.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import { parseMetadata } from '../../tuf/metadata.ts'
import { aliveFrom, parseRoot, rootKeys, type Root } from '../../tuf/root.ts'
import { formatTime } from '../../tuf/time.ts'
import type { Readable } from '../trust.ts'

/** Whether clients that have this version of root cached follow to the newest without an error. */
export interface CachedRoot {
  readonly version: number
  readonly follows: boolean
  readonly why?: string
}

/**
 * Reads the stored roots up to a version, letting other work run: each may name all earlier certificates.
 *
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE; INVALID_UPDATE for one that is unsound by today's rules
 */
export async function storedRoots(trust: Readable, gun: Gun, newest: number): Promise<Map<number, Root>> {
  const roots = new Map<number, Root>()
  for (let version = 1; version <= newest; version += 1) {
    const document = trust.store.document(gun, 'root', { version })
    if (document !== undefined) roots.set(version, parseRoot(parseMetadata('root', document.bytes)))
    await setImmediate()
  }
  return roots
}

/** A client accepts the newest root at once if keys of its own root have signed it. */
const SAME_KEY = 'those whose root key is still in force do'

/**
 * Finds out which cached roots lead to the newest. A client walks from its own root version by version: each must be signed
 * by the previous root's keys and by its own, whose certificates must be valid now, as must those of the cached root (wire
 * spec §6.2, §19.24).
 *
 * @param newest version of the root in force
 * @param now milliseconds since 1970
 * @returns one for each stored version, and for each other one that is known not to lead to the newest
 */
export async function cachedRoots(
  roots: ReadonlyMap<number, Root>,
  newest: number,
  gun: Gun,
  now: number,
): Promise<CachedRoot[]> {
  /** Why no older root leads to the newest. */
  let broken: string | undefined
  const found: CachedRoot[] = []
  for (let version = newest; version >= 1; version -= 1) {
    // Verifying takes longer than reading, and owners choose the number of roots.
    await setImmediate()
    const root = roots.get(version)
    // A stored root leads to the next stored one: no other is accepted as the next.
    if (version < newest && !roots.has(version + 1)) broken ??= `version ${version + 1} is not stored`
    if (root === undefined) {
      // A root that is not here may or may not lead on; after a broken chain only those with the same key do.
      if (broken !== undefined) found.push({ version, follows: false, why: `${broken}; ${SAME_KEY}` })
      continue
    }
    broken ??= untimely(root, gun, now)
    found.push(broken === undefined ? { version, follows: true } : { version, follows: false, why: broken })
  }
  return found.toReversed()
}

/** Says why a root does not count now, because of its certificates; undefined if it does. */
function untimely(root: Root, gun: Gun, now: number): string | undefined {
  const { keys, threshold } = rootKeys(root, gun, now)
  if (countSigners(root.metadata, keys) >= threshold) return undefined
  const certificates = `root certificates of version ${root.metadata.version}`
  const begins = aliveFrom(root, gun, now)
  return begins === undefined
    ? `${certificates} have expired`
    : `${certificates} are not valid before ${formatTime(begins)}`
}
