import { z } from 'zod'
import { TrustError } from '../errors.ts'
import { currentRoot } from '../repository/current.ts'
import { noSuchRepository } from '../repository/no-such-repository.ts'
import { signedTags } from '../repository/signed-tags.ts'
import { firstRoleOf } from '../repository/signers/signing-roles.ts'
import { shellQuoted } from '../tuf/gun.ts'
import { list } from './answers.ts'
import { changedTags, changeTags, etag } from './change-tags.ts'
import { digestInput, gunInput, hexOf, someName } from './inputs.ts'
import { operation } from './operation.ts'
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
/** A tag and the manifest that it should name. */
export const tagToSet = z.strictObject({ tag, digest, size })
const signer = someName.optional().meta({ description: 'signer to sign as, in a repository that names it' })
const checkedAt = z.iso.datetime().optional().meta({ description: 'when the manifest was seen in the registry' })
const ifMatch = z
  .string()
  .max(ETAG_MAX_LENGTH)
  .optional()
  .meta({ description: 'etag that the tags must still have, as last listed' })

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
    const { tags, delegations, damaged } = await signedTags(trust, gun, head, root, trust.now())
    const damage = damaged.get(role)
    if (damage !== undefined) throw damage
    // It was deleted while its tags were read.
    if (trust.store.head(gun)?.roles['root'] === undefined) return noSuchRepository(gun)
    // A mistyped name would seem to have signed nothing; a signer of this server has, until the owner adds it.
    const isKnown = name === undefined || delegations.some((each) => each.name === role)
    if (!isKnown && trust.store.record('signer', name) === undefined) {
      throw new TrustError('NOT_FOUND', `nobody signs in ${gun} as ${name}`, {
        hint: `"countersign repo show ${shellQuoted(gun)}" prints who does`,
      })
    }
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
    set: z.array(tagToSet).max(TAGS_MAX).default([]),
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
