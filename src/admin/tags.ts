import { z } from 'zod'
import { TrustError } from '../errors.ts'
import { whyExpired } from '../repository/client-view.ts'
import { currentRoot, rootInForce } from '../repository/current.ts'
import { noSuchRepository } from '../repository/no-such-repository.ts'
import { signedTags, whyRefused } from '../repository/signed-tags.ts'
import { signTags } from '../repository/signers/sign-tags.ts'
import { remainingTags, shadowedTags } from '../repository/signers/signed-releases.ts'
import { firstRoleOf } from '../repository/signers/signing-roles.ts'
import type { Trust } from '../repository/trust.ts'
import type { Actor } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { TargetsEdit } from '../tuf/targets-edit.ts'
import { texts, list } from './answers.ts'
import { permitBy } from './enforce-policies.ts'
import { digestInput, gunInput, hexOf, someName } from './inputs.ts'
import { operation, type World } from './operation.ts'
import { describedTag } from './repository-answers.ts'

/** Most tags in one call. */
const TAGS_MAX = 10_000
/** Characters of a tag's name, which publishers choose freely. */
const TARGET_MAX_LENGTH = 1024
/** Characters; a checksum has 64. */
const ETAG_MAX_LENGTH = 100

const tag = z
  .string()
  .regex(
    /^\w[\w.-]{0,127}$/,
    'a tag has 1 to 128 letters, digits, "_", "." and "-", and does not begin with "." or "-"',
  )
  .meta({ description: 'tag of an image' })
const digest = digestInput.meta({ description: 'digest of the manifest' })
const size = z
  .number()
  .int()
  .min(1)
  .max(2 ** 40)
  .meta({ description: 'bytes of the manifest' })
const signer = someName.optional().meta({ description: 'signer to sign as, in a repository that names it' })
const checkedAt = z.iso.datetime().optional().meta({ description: 'when the manifest was seen in the registry' })
const ifMatch = z
  .string()
  .max(ETAG_MAX_LENGTH)
  .optional()
  .meta({ description: 'etag that the tags must still have, as last listed' })

const etag = z.string().meta({ description: 'etag of the tags, for If-Match; empty: nothing is signed yet' })
/** The outcome for tags that were to be signed or removed. */
const changedTags = z.lazy(() =>
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

export const listTags = operation({
  name: 'tag.list',
  method: 'GET',
  path: '/repositories/:gun/tags',
  summary: 'Signed tags of one repository, each with the role that signs it; with `as`, only those of one signer.',
  action: 'read',
  input: z.strictObject({ gun: gunInput, as: signer }),
  answer: () => z.object({ gun: z.string(), etag, tags: list(describedTag) }),
  async run({ trust }, { gun, as: name }) {
    const role = name === undefined ? 'targets' : firstRoleOf(trust, gun, name)
    const head = trust.store.head(gun)
    const root = currentRoot(trust, gun, head)
    if (head === undefined || root === undefined) return noSuchRepository(gun)
    const { tags, damaged } = await signedTags(trust, gun, head, root, trust.now())
    const damage = damaged.get(role)
    if (damage !== undefined) throw damage
    // It was deleted while its tags were read.
    if (trust.store.head(gun)?.roles['root'] === undefined) return noSuchRepository(gun)
    // With the etag of a later head, somebody could overwrite what they have not seen.
    const etagOfRole = head.roles[role]?.sha256 ?? ''
    return { gun, etag: etagOfRole, tags: name === undefined ? tags : tags.filter((each) => each.role === role) }
  },
})

export const signTag = operation({
  name: 'tag.sign',
  method: 'PUT',
  path: '/repositories/:gun/tags/:tag',
  summary:
    "Sign one tag. Signing it again for the same digest changes nothing until half of the signature's life has passed.",
  action: 'sign',
  input: z.strictObject({ gun: gunInput, tag, digest, size, as: signer, checkedAt, ifMatch }),
  answer: () => changedTags,
  run: (world, { gun, tag: name, digest: text, size: length, ...rest }, actor) =>
    changeTags(world, gun, { set: [{ tag: name, sha256: hexOf(text), length }], remove: [] }, rest, actor),
})

export const removeTag = operation({
  name: 'tag.remove',
  method: 'DELETE',
  path: '/repositories/:gun/tags/:tag',
  summary: 'Remove one signed tag.',
  action: 'sign',
  input: z.strictObject({ gun: gunInput, tag: z.string().min(1).max(TARGET_MAX_LENGTH), as: signer, ifMatch }),
  answer: () => changedTags,
  run: (world, { gun, tag: name, ...rest }, actor) => changeTags(world, gun, { set: [], remove: [name] }, rest, actor),
})

export const signManyTags = operation({
  name: 'tag.change',
  method: 'POST',
  path: '/repositories/:gun/tags',
  summary: 'Sign and remove many tags in one publish: all or nothing.',
  action: 'sign',
  input: z.strictObject({
    gun: gunInput,
    set: z.array(z.strictObject({ tag, digest, size })).max(TAGS_MAX).default([]),
    remove: z.array(z.string().min(1).max(TARGET_MAX_LENGTH)).max(TAGS_MAX).default([]),
    as: signer,
    checkedAt,
    ifMatch,
  }),
  answer: () => changedTags,
  run(world, { gun, set, remove, ...rest }, actor) {
    const seen = new Set<string>()
    for (const name of [...set.map(({ tag: each }) => each), ...remove]) {
      if (seen.has(name)) throw new TrustError('INVALID_PARAMETERS', `the tag ${name} is listed twice`)
      seen.add(name)
    }
    const edit = { set: set.map((each) => ({ tag: each.tag, sha256: hexOf(each.digest), length: each.size })), remove }
    return changeTags(world, gun, edit, rest, actor)
  },
})

interface Conditions {
  readonly as?: string | undefined
  readonly checkedAt?: string | undefined
  readonly ifMatch?: string | undefined
}

async function changeTags(
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
