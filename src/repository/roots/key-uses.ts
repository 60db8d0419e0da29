import { damageIn } from '../../errors.ts'
import { inTurns } from '../../store/in-turns.ts'
import type { Gun } from '../../tuf/gun.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import { allGuns } from '../all-guns.ts'
import { currentRoot } from '../current.ts'
import type { Readable } from '../trust.ts'
import { rootOf, stagedRoot, stagedRoots } from './staged.ts'

/** A repository whose root in force, or the root of it that waits for signatures, names a root key. */
interface RootKeyUse {
  readonly gun: Gun
  /** The other root keys that are named are enough to sign without it. */
  readonly dispensable: boolean
}

/**
 * Where a root key is named, in order of the repositories' names, and which repositories cannot tell; in turns with whatever
 * else waits.
 *
 * @param keyId as people name it
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function rootKeyUses(trust: Readable, keyId: string): Promise<{ uses: RootKeyUse[]; damaged: Gun[] }> {
  const uses: RootKeyUse[] = []
  const damaged: Gun[] = []
  for await (const gun of inTurns(await everyGun(trust))) {
    try {
      const others = rootRoles(trust, gun).flatMap((role) => othersThan(keyId, role) ?? [])
      if (others.length > 0) uses.push({ gun, dispensable: others.every(({ areEnough }) => areEnough) })
    } catch (error) {
      damageIn(error)
      damaged.push(gun)
    }
  }
  return { uses, damaged }
}

/** Those too of which there is nothing yet but a first root that waits. */
async function everyGun(trust: Readable): Promise<Gun[]> {
  const guns = new Set<Gun>()
  for await (const gun of allGuns(trust.store)) guns.add(gun)
  for await (const gun of stagedRoots(trust)) guns.add(gun)
  return [...guns].toSorted()
}

/** Of the root in force, and of the one that waits. @throws TrustError CORRUPT */
function rootRoles(trust: Readable, gun: Gun): RoleKeys[] {
  const current = currentRoot(trust, gun, trust.store.head(gun))?.roles
  const staged = stagedRoot(trust, gun)
  return [current?.root ?? [], staged === undefined ? [] : rootOf(staged).roles.root].flat()
}

/** Undefined if the role does not name the key. */
function othersThan(keyId: string, { keys, threshold }: RoleKeys): { areEnough: boolean } | undefined {
  const ids = new Set([...keys.values()].map(canonicalKeyId))
  return ids.delete(keyId) ? { areEnough: ids.size >= threshold } : undefined
}
