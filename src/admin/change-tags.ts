import { z } from 'zod'
import { whyExpired } from '../repository/client-view.ts'
import { rootInForce } from '../repository/current.ts'
import { whyRefused } from '../repository/signed-tags.ts'
import { signTags } from '../repository/signers/sign-tags.ts'
import { remainingTags, shadowedTags } from '../repository/signers/signed-releases.ts'
import type { Trust } from '../repository/trust.ts'
import type { Actor } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { TargetsEdit } from '../tuf/targets-edit.ts'
import { texts } from './answers.ts'
import { permitBy } from './enforce-policies.ts'
import type { World } from './operation.ts'

export const etag = z.string().meta({ description: 'etag of the tags, for If-Match; empty: nothing is signed yet' })
/** The outcome for tags that were to be signed or removed. */
export const changedTags = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      roles: texts.meta({ description: 'roles that sign the tags' }),
      changed: z.boolean().meta({
        description:
          'whether anything was published; false: all tags were already as requested, and no signature was old',
      }),
      etag,
      leftOut: texts.meta({
        description: 'tags that were signed by keys that the owner has since removed: they are not signed again',
      }),
      absent: texts.meta({ description: 'tags to be removed that were not signed in the first place' }),
      shadowed: texts.meta({
        description: 'tags that differ in targets/releases, which docker uses instead of targets',
      }),
      remaining: texts.meta({
        description: 'tags that were removed as a signer, and that targets signs too: docker uses that now',
      }),
      unseen: z.string().exactOptional().meta({
        description: 'why clients do not see what the repository signs; missing: they do',
      }),
    })
    .meta({ id: 'ChangedTags' }),
)

interface Conditions {
  readonly as?: string | undefined
  readonly checkedAt?: string | undefined
  readonly ifMatch?: string | undefined
}

/**
 * Signs and removes tags in one publish, if the policies of whoever asks permit all of it.
 *
 * @throws TrustError NOT_FOUND; WRONG_STATE if the server does not hold the keys needed; PRECONDITION; POLICY; CORRUPT
 */
export async function changeTags(
  world: World,
  gun: Gun,
  edit: TargetsEdit,
  { as: name, checkedAt: checked, ifMatch: expected }: Conditions,
  actor: Actor,
): Promise<z.output<typeof changedTags>> {
  const seen = checked === undefined ? undefined : Date.parse(checked)
  // Before the commit, which does not affect the results: if this cannot be read, nothing is signed.
  const shadowed = name === undefined ? shadowedTags(world.trust, gun, edit) : []
  const remaining = name === undefined ? [] : remainingTags(world.trust, gun, edit)
  const unseen = whyUnseen(world.trust, gun, name)
  const result = await signTags(
    world.trust,
    gun,
    {
      ...edit,
      as: name,
      ifMatch: expected?.replace(/^"|"$/g, ''),
      permit: await permitBy(world.trust.store, world.asker(), name, gun, edit, seen),
    },
    actor,
  )
  return { gun, ...result, shadowed, remaining, ...(unseen === undefined ? {} : { unseen }) }
}

/** Says why clients will see nothing that is signed now; a signer does not sign the owner's targets, which may have expired. */
function whyUnseen(trust: Trust, gun: Gun, signer: string | undefined): string | undefined {
  const head = trust.store.head(gun)
  if (head?.roles['root'] === undefined) return undefined
  const now = trust.now()
  return (
    whyRefused(trust, gun, head, rootInForce(trust, gun, head), now) ?? (signer && whyExpired(head, 'targets', now))
  )
}
