import { damageIn } from '../../errors.ts'
import { withoutBlocking } from '../../store/without-blocking.ts'
import type { Gun } from '../../tuf/gun.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import { allGuns } from '../all-guns.ts'
import { currentRoot } from '../current.ts'
import type { Readable } from '../trust.ts'
import { rootOf, stagedRoot, stagedRoots } from './staged.ts'

/** A repository whose root in force, or whose staged root, names a root key. */
interface RootKeyUse {
  readonly gun: Gun
  /** True if enough other root keys are named to sign without it. */
  readonly dispensable: boolean
}

/**
 * Finds the repositories that name a root key, sorted by name, and those that cannot be read. Lets other work run in
 * between.
 *
 * @param keyId as people name it
 * @throws TrustError CORRUPT if the list of repositories is damaged; STORE_UNAVAILABLE
 */
export async function rootKeyUses(trust: Readable, keyId: string): Promise<{ uses: RootKeyUse[]; damaged: Gun[] }> {
  const uses: RootKeyUse[] = []
  const damaged: Gun[] = []
  for await (const gun of withoutBlocking(await everyGun(trust))) {
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

/** Returns all repositories, including those that have only a staged first root. */
async function everyGun(trust: Readable): Promise<Gun[]> {
  const guns = new Set<Gun>()
  for await (const gun of allGuns(trust.store)) guns.add(gun)
  for await (const gun of stagedRoots(trust)) guns.add(gun)
  return [...guns].toSorted()
}

/** Returns the root roles of the root in force and of the staged one. @throws TrustError CORRUPT */
function rootRoles(trust: Readable, gun: Gun): RoleKeys[] {
  const current = currentRoot(trust, gun, trust.store.head(gun))?.roles
  const staged = stagedRoot(trust, gun)
  return [current?.root ?? [], staged === undefined ? [] : rootOf(staged).roles.root].flat()
}

/** Tells whether the other keys of a role are enough; undefined if the role does not name the key. */
function othersThan(keyId: string, { keys, threshold }: RoleKeys): { areEnough: boolean } | undefined {
  const ids = new Set([...keys.values()].map(canonicalKeyId))
  return ids.delete(keyId) ? { areEnough: ids.size >= threshold } : undefined
}
