import { z } from 'zod'
import { damageIn, unlessDamaged } from '../errors.ts'
import {
  createSigner,
  everyKeyId,
  findSigner,
  finishSignerRotation,
  removeSigner,
  rotateSigner,
  signerKeys,
  type TagSigner,
} from '../repository/signers/signers.ts'
import { findRecords } from '../store/found-records.ts'
import { encodePem } from '../tuf/asn1/pem.ts'
import { done, keyId, list, milliseconds, texts } from './answers.ts'
import { someName } from './inputs.ts'
import { operation, type World } from './operation.ts'
import { rows, rowsOf, type DamagedRow } from './rows.ts'
import { stillTrustedWarnings } from './signer-warnings.ts'

/** A signer as it is shown. */
const signerRow = z.lazy(() =>
  z
    .object({
      name: z.string(),
      keyIds: list(keyId).meta({
        description: 'ids of the keys that sign, oldest first; more than one while owners change to a new key',
      }),
      createdAt: milliseconds,
      publicKey: z.string().meta({
        description:
          'newest public key, PEM: what an owner gives to docker trust signer add --key; empty: a dry run created none that is kept',
      }),
    })
    .meta({ id: 'Signer' }),
)
export type SignerRow = z.output<typeof signerRow>

const input = z.strictObject({ name: someName.meta({ description: 'a-z, 0-9, "_", "-"' }) })

export const listSigners = operation({
  name: 'signer.list',
  method: 'GET',
  path: '/signers',
  summary:
    "Signers: delegation keys that the server holds to sign in other people's repositories; `damaged` says why one cannot be read.",
  action: 'admin',
  input: z.strictObject({}),
  answer: () => rows(signerRow),
  async run(world) {
    return rowsOf(await findRecords<TagSigner>(world.trust.store, 'signer'), (signer) => rowOrDamage(world, signer))
  },
})

export const makeSigner = operation({
  name: 'signer.create',
  method: 'POST',
  path: '/signers',
  summary: 'Create a signer and its key.',
  action: 'admin',
  input,
  answer: () => signerRow,
  async run({ trust, rehearsal }, { name }, actor) {
    const { keyId, public: text, createdAt } = await createSigner(trust, name, actor)
    // Show no key of a rehearsal: an owner who added it would trust a key that nobody has.
    if (rehearsal === true) return { name, keyIds: [], createdAt, publicKey: '' }
    return { name, keyIds: [keyId], createdAt, publicKey: pemOf(text) }
  },
})

export const showSigner = operation({
  name: 'signer.show',
  method: 'GET',
  path: '/signers/:name',
  summary: 'A signer with its public key.',
  action: 'admin',
  input,
  answer: () => signerRow,
  run: async (world, { name }) => rowOf(world, findSigner(world.trust, name)),
})

export const renewSigner = operation({
  name: 'signer.rotate',
  method: 'POST',
  path: '/signers/:name/rotation',
  summary: 'Give a signer a new key beside the old one; with `finish`, it signs only with the newest one.',
  action: 'admin',
  input: z.strictObject({ ...input.shape, finish: z.boolean().default(false) }),
  answer: () => signerRow.unwrap().extend({ warnings: texts }),
  async run(world, { name, finish }, actor) {
    if (!finish) {
      const { key, ...signer } = await rotateSigner(world.trust, name, actor)
      if (world.rehearsal === true)
        return { ...signer, keyIds: signer.keyIds.slice(0, -1), publicKey: '', warnings: [] }
      return { ...signer, publicKey: pemOf(key.public), warnings: [] }
    }
    // Before the commit: if this cannot be read, nothing changes.
    const signer = findSigner(world.trust, name)
    const newest = signer.keyIds.at(-1) as string
    const row = rowOf(world, { ...signer, keyIds: [newest] })
    const given = everyKeyId(world.trust, name).filter((keyId) => keyId !== newest)
    const warnings = await stillTrustedWarnings(world.trust, name, given, [newest])
    await finishSignerRotation(world.trust, name, newest, actor)
    return { ...row, warnings }
  },
})

export const deleteSigner = operation({
  name: 'signer.remove',
  method: 'DELETE',
  path: '/signers/:name',
  summary:
    'Remove a signer and stop signing with its key. Repositories still name the key until their owners remove it.',
  action: 'admin',
  input,
  answer: () => z.object({ name: z.string(), removed: done, warnings: texts }),
  async run(world, { name }, actor) {
    // Before the commit, as above.
    const given = unlessDamaged(() => everyKeyId(world.trust, name))
    const warnings =
      given === undefined
        ? [`the keys of ${name} are damaged: cannot tell which repositories trust them`]
        : await stillTrustedWarnings(world.trust, name, given, [])
    await removeSigner(world.trust, name, actor)
    return { name, removed: true as const, warnings }
  },
})

function rowOf({ trust }: World, signer: TagSigner): SignerRow {
  // The newest key is the one for owners to add.
  const key = signerKeys(trust, signer).find(({ keyId }) => keyId === signer.keyIds.at(-1))
  return { ...signer, publicKey: key === undefined ? '' : pemOf(key.public) }
}

/** Keys are stored separately: they may be damaged although the signer is not. */
function rowOrDamage(world: World, signer: TagSigner): SignerRow | DamagedRow {
  try {
    return rowOf(world, signer)
  } catch (error) {
    return { name: signer.name, damaged: damageIn(error).message }
  }
}

function pemOf(publicKey: string): string {
  return encodePem([{ label: 'PUBLIC KEY', bytes: Buffer.from(publicKey, 'base64') }]).toString()
}
