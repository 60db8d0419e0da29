import { setImmediate } from 'node:timers/promises'
import type { Gun } from '../../tuf/gun.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import { parseMetadata } from '../../tuf/metadata.ts'
import { aliveFrom, parseRoot, rootKeys, type Root } from '../../tuf/root.ts'
import { formatTime } from '../../tuf/time.ts'
import type { Readable } from '../trust.ts'

/** Clients that have this version of root cached, and whether they follow to the newest without an error. */
export interface CachedRoot {
  readonly version: number
  readonly follows: boolean
  readonly why?: string
}

/** Of the versions up to this one: those that are stored. Each may name all certificates that were before it. */
export async function storedRoots(trust: Readable, gun: Gun, newest: number): Promise<Map<number, Root>> {
  const roots = new Map<number, Root>()
  for (let version = 1; version <= newest; version += 1) {
    const document = trust.store.document(gun, 'root', { version })
    if (document !== undefined) roots.set(version, parseRoot(parseMetadata('root', document.bytes)))
    await setImmediate()
  }
  return roots
}

/** A client takes the newest root at once where keys of its own root have signed it. */
const SAME_KEY = 'those do whose root key is still in force'

/**
 * A client walks from its own root to the newest, version by version: each signed by the keys of the one before, and by
 * its own, whose certificates must be valid at this moment; those of the cached root too (wire spec §6.2, §19.24).
 *
 * @param newest version of the root in force
 * @param now milliseconds since 1970
 * @returns one for each version that is stored, and each of which it is known that it leads nowhere
 */
export async function cachedRoots(
  roots: ReadonlyMap<number, Root>,
  newest: number,
  gun: Gun,
  now: number,
): Promise<CachedRoot[]> {
  let broken: string | undefined
  const found: CachedRoot[] = []
  for (let version = newest; version >= 1; version -= 1) {
    // To verify takes longer than to read, and owners choose how many there are.
    await setImmediate()
    const root = roots.get(version)
    const next = roots.get(version + 1)
    if (version < newest && next === undefined) broken ??= `version ${version + 1} is not stored`
    if (root === undefined) {
      // Who has one that is not here cannot be told whether it leads on, but where it does only if its key is the same.
      if (broken !== undefined) found.push({ version, follows: false, why: `${broken}; ${SAME_KEY}` })
      continue
    }
    if (version < newest && broken === undefined && next !== undefined) {
      const { keys, threshold } = rootKeys(root, gun, undefined)
      if (countSigners(next.metadata, keys) < threshold) {
        broken = `version ${version + 1} is not signed by the keys of version ${version}`
      }
    }
    const own = rootKeys(root, gun, now)
    if (countSigners(root.metadata, own.keys) < own.threshold) {
      const begins = aliveFrom(root, gun, now)
      broken ??=
        begins === undefined
          ? `root certificates of version ${version} have ended`
          : `root certificates of version ${version} begin at ${formatTime(begins)}`
    }
    found.push(broken === undefined ? { version, follows: true } : { version, follows: false, why: broken })
  }
  return found.toReversed()
}
