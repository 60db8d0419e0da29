import { TrustError } from '../../errors.ts'
import type { Actor, Head } from '../../store/store.ts'
import { withDelegate, withoutDelegate } from '../../tuf/delegations-edit.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { canonicalKeyId, type PublicKey } from '../../tuf/keys/key.ts'
import { RELEASES, type DelegationRole } from '../../tuf/role.ts'
import { parseTargets, type Targets } from '../../tuf/targets.ts'
import { changeWithResult } from '../change.ts'
import { composeSigned } from '../compose.ts'
import { recallCurrent } from '../current.ts'
import { nextTargets } from '../renewal/targets.ts'
import { signRole } from '../sign-role.ts'
import type { Trust } from '../trust.ts'
import { signedReleases } from './signed-releases.ts'
import { findSigner, signerKeys, signerRole } from './signers.ts'
import { targetsSigning } from './signing-roles.ts'

const OWNERS_WAY = 'its owner does it: docker trust signer, notary delegation'

/** The result of a change: the keys with which a delegate may sign now. */
interface Delegated {
  readonly role: DelegationRole
  /** Ids of the role's keys, as people and key files name them; empty if the role is gone. */
  readonly keyIds: readonly string[]
  /** False if nothing had to change, so that nothing was published. */
  readonly changed: boolean
  readonly warnings: readonly string[]
}

/**
 * Adds a delegate to a repository whose targets the server signs, as `docker trust signer add` does for owners: in
 * `targets/NAME` and `targets/releases`.
 *
 * @param keys public keys of the delegate; undefined for those of the server's signer of this name
 * @throws TrustError NOT_FOUND; WRONG_STATE if the server does not sign targets; INVALID_PARAMETERS
 */
export async function addDelegate(
  trust: Trust,
  gun: Gun,
  name: string,
  keys: readonly PublicKey[] | undefined,
  actor: Actor,
): Promise<Delegated> {
  const role = signerRole(name)
  const ours = (): PublicKey[] =>
    signerKeys(trust, findSigner(trust, name, 'for somebody else, name a file with the public key'))
  return changeDelegations(trust, gun, role, actor, (delegations) => withDelegate(delegations, role, keys ?? ours()))
}

/**
 * Removes a delegate, or some of its keys; clients no longer see tags that only it has signed. The name `releases` stands
 * for keys that an owner has put only into `targets/releases`.
 *
 * @param keyIds ids of the keys to remove, as people name them, or their beginnings; undefined for all
 * @throws TrustError NOT_FOUND, also if there is no such delegate or key; WRONG_STATE
 */
export async function removeDelegate(
  trust: Trust,
  gun: Gun,
  name: string,
  keyIds: readonly string[] | undefined,
  actor: Actor,
): Promise<Delegated> {
  const role: DelegationRole = `targets/${name}`
  return changeDelegations(trust, gun, role, actor, (delegations, targets) => {
    const keys = [...(targets.delegations.get(role)?.keys ?? [])]
    const found = keyIds?.map((start) => keys.filter(([, key]) => canonicalKeyId(key).startsWith(start))) ?? [keys]
    const known = keyIds === undefined || found.every(({ length }) => length > 0)
    const gone = found.flat().map(([id]) => id)
    const next = known ? withoutDelegate(delegations, role, gone) : undefined
    if (next !== undefined) return next
    const how = keyIds === undefined ? '' : ` with ${keyIds.join(' and ')}`
    throw new TrustError('NOT_FOUND', `${gun} does not let ${name} sign${how}`, {
      hint: `"countersign repo show ${shellQuoted(gun)}" prints who may`,
    })
  })
}

/** Edits the delegations of targets and publishes them. @param edit returns undefined if there is nothing to change */
async function changeDelegations(
  trust: Trust,
  gun: Gun,
  role: DelegationRole,
  actor: Actor,
  edit: (delegations: JsonObject, targets: Targets) => JsonObject | undefined,
): Promise<Delegated> {
  return changeWithResult(trust, gun, async (head, now) => {
    const { named, held } = targetsSigning(trust, gun, head, OWNERS_WAY)
    const current = recallCurrent(trust, gun, head, 'targets')
    if (current === undefined) throw new Error('a repository without targets')
    const delegations = edit((current.signed['delegations'] ?? {}) as JsonObject, parseTargets(current))
    if (delegations === undefined) {
      return [undefined, resultOf(trust, gun, head, role, parseTargets(current), false)]
    }
    const payload = { ...nextTargets(current.signed, now), delegations }
    const signed = await signRole(trust, gun, 'targets', named, payload, held)
    const draft = await composeSigned(trust, gun, head, now, [signed], actor)
    return [draft, resultOf(trust, gun, head, role, parseTargets(signed.metadata), true)]
  })
}

function resultOf(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  role: DelegationRole,
  { delegations }: Targets,
  changed: boolean,
): Delegated {
  const keys = [...(delegations.get(role)?.keys.values() ?? [])]
  const silent = head?.roles[RELEASES] !== undefined && delegations.has(RELEASES)
  const warnings =
    silent && signedReleases(trust, gun, head, delegations) === undefined
      ? [
          `none of its present keys has signed ${RELEASES}: clients see none of its tags until somebody does (docs/SIGNING.md)`,
        ]
      : []
  return { role, keyIds: keys.map((key) => canonicalKeyId(key)), changed, warnings }
}
