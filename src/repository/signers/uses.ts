import { damageIn } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { DelegationRole } from '../../tuf/role.ts'
import { allGuns } from '../all-guns.ts'
import { currentDelegations, namedKeys } from '../current.ts'
import { holdsRole } from '../sign-role.ts'
import type { Readable } from '../trust.ts'

/** A delegation that names keys of a signer. */
interface SignerUse {
  readonly gun: Gun
  readonly role: DelegationRole
  /** Which of the requested keys it names. */
  readonly keyIds: readonly string[]
  /** True if the server signs the repository's targets, so that it can remove the keys itself. */
  readonly here: boolean
}

/**
 * Finds where any of these keys may sign, sorted by repository, and the repositories that cannot be read.
 * Does not look at delegations of delegations.
 *
 * @throws TrustError CORRUPT if the list of repositories is damaged; STORE_UNAVAILABLE
 */
export async function signerUses(
  trust: Readable,
  keyIds: readonly string[],
): Promise<{ uses: SignerUse[]; damaged: Gun[] }> {
  const uses: SignerUse[] = []
  const damaged: Gun[] = []
  for await (const gun of allGuns(trust.store)) {
    try {
      const delegations = currentDelegations(trust, gun, trust.store.head(gun), 'targets')
      for (const { name: role, keys } of delegations?.values() ?? []) {
        const named = keyIds.filter((keyId) => keys.has(keyId))
        if (named.length > 0) uses.push({ gun, role, keyIds: named, here: targetsAreHere(trust, gun) })
      }
    } catch (error) {
      damageIn(error)
      damaged.push(gun)
    }
  }
  return { uses, damaged }
}

function targetsAreHere(trust: Readable, gun: Gun): boolean {
  const named = namedKeys(trust, gun, 'targets')
  return named !== undefined && holdsRole(trust, gun, 'targets', named)
}
