import { damageIn } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { DelegationRole } from '../../tuf/role.ts'
import { allGuns } from '../all-guns.ts'
import { currentDelegations, namedKeys } from '../current.ts'
import { holdsRole } from '../sign-role.ts'
import type { Readable } from '../trust.ts'

/** A delegation in a repository that names keys of a signer. */
interface SignerUse {
  readonly gun: Gun
  readonly role: DelegationRole
  /** Those of the keys asked for that it names. */
  readonly keyIds: readonly string[]
  /** The server signs the repository's targets: it can end that itself. */
  readonly here: boolean
}

/**
 * Where any of these keys may sign, in order of the repositories' names, and which repositories cannot tell.
 * Delegations of delegations are not looked at.
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
