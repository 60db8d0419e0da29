import { z } from 'zod'
import { personBehind } from '../access/identities.ts'
import type { Identity } from '../access/permission.ts'
import { refusalOf } from '../access/tag-policy.ts'
import { TrustError } from '../errors.ts'
import type { SignRequest } from '../repository/signers/sign-tags.ts'
import type { Recorded, Store } from '../store/store.ts'
import { shellQuoted, type Gun } from '../tuf/gun.ts'
import type { TargetsEdit } from '../tuf/targets-edit.ts'
import { list } from './answers.ts'

const tagRule = z.lazy(() =>
  z
    .object({
      guns: z.string().meta({ description: 'pattern of repositories: docker.io/acme/app, docker.io/acme/*, or *' }),
      tags: z.string().meta({ description: 'pattern of tags; * stands for any characters' }),
      move: z
        .boolean()
        .meta({ description: 'whether a tag that already names another digest may be moved or removed' }),
      checkedWithinMinutes: z.number().nullable().meta({
        description:
          'most minutes since the caller looked at the manifest in the registry; null: the caller need not have looked',
      }),
    })
    .meta({ id: 'TagRule' }),
)

/** Rules for what somebody may have signed. Without a policy, nothing is restricted. */
export const tagPolicy = z.lazy(() =>
  z
    .object({
      subject: z.string().meta({
        description: 'whom the rules bind: signer:NAME, or an actor as the journal names it (user:alice, token:ci)',
      }),
      rules: list(tagRule),
    })
    .meta({ id: 'Policy' }),
)
export type TagPolicy = z.output<typeof tagPolicy>

/** Why rules cannot be used that only the journal mentions. */
export const LOST = 'its record is not found'

/**
 * Returns somebody's rules; undefined: none.
 *
 * @param bound everybody who has rules, by the journal
 * @throws TrustError CORRUPT if they cannot be read or found: without them, anything could be signed
 */
export function rulesOf(store: Pick<Store, 'record'>, bound: Recorded, name: string): TagPolicy | undefined {
  const found = store.record('policy', name) as TagPolicy | undefined
  if (found !== undefined || !bound.has(name)) return found
  throw new TrustError('CORRUPT', `the rules of ${name} cannot be read: ${LOST}`, {
    hint: `set them again: countersign policy set ${shellQuoted(name)} --rule …`,
  })
}

/**
 * Returns whose rules count: those of the asker, of the user behind an API token or a client certificate, and of the
 * signer.
 *
 * @param signer who signs in somebody else's repository; undefined: nobody
 */
export function policySubjects(store: Store, asker: Identity, signer: string | undefined): string[] {
  const subjects = new Set([asker.name, personBehind(store, asker)])
  if (signer !== undefined) subjects.add(`signer:${signer}`)
  return [...subjects]
}

/**
 * Returns a function that refuses tags that the rules of any of these do not allow.
 *
 * @param signer who signs in somebody else's repository; undefined: nobody
 * @param checkedAt when the caller saw the manifests, milliseconds since 1970
 * @returns it throws TrustError POLICY that names the rule; CORRUPT if rules cannot be read
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function permitBy(
  store: Store,
  asker: Identity,
  signer: string | undefined,
  gun: Gun,
  { set, remove }: TargetsEdit,
  checkedAt: number | undefined,
): Promise<NonNullable<SignRequest['permit']>> {
  const subjects = policySubjects(store, asker, signer)
  const bound = await store.recorded('policy')
  return (current, now) => {
    const intents = [
      ...set.map(({ tag, sha256 }) => ({ tag, moves: current(tag).some((each) => each !== sha256), checkedAt })),
      // Removing a signature needs no look at the registry.
      ...remove.filter((tag) => current(tag).length > 0).map((tag) => ({ tag, moves: true, checkedAt: now })),
    ]
    for (const name of subjects) {
      const policy = rulesOf(store, bound, name)
      if (policy === undefined) continue
      for (const intent of intents) {
        const refusal = refusalOf(policy.rules, { gun, ...intent }, now)
        if (refusal !== undefined)
          throw new TrustError('POLICY', `${name} may not have ${intent.tag} signed: ${refusal}`)
      }
    }
  }
}
