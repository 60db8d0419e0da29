import { z } from 'zod'
import { addDelegate, removeDelegate } from '../repository/signers/delegates.ts'
import { readPublicKey } from '../tuf/keys/public-key-file.ts'
import { keyId, list, texts } from './answers.ts'
import { KEY_MAX_LENGTH, gunInput, queryList, someName } from './inputs.ts'
import { operation } from './operation.ts'

/** Most keys of one delegate in one call: an old and a new one, or a handful of machines. */
const KEYS_MAX = 16

const name = someName.meta({ description: 'the signer\'s: a-z, 0-9, "_", "-"' })

const delegated = z.lazy(() =>
  z
    .object({
      gun: z.string(),
      role: z.string().meta({ description: 'delegation of the signer: targets/NAME' }),
      keyIds: list(keyId).meta({ description: 'ids of the keys of the role from now on; none: the role is gone' }),
      changed: z.boolean().meta({ description: 'whether anything was published; false: it was already as requested' }),
      warnings: texts,
    })
    .meta({ id: 'Delegated' }),
)

export const addDelegation = operation({
  name: 'delegation.add',
  method: 'PUT',
  path: '/repositories/:gun/delegations/:name',
  summary:
    'Let somebody sign tags in a repository that the server signs, in `targets/NAME` and `targets/releases`, as docker does.',
  action: 'admin',
  input: z.strictObject({
    gun: gunInput,
    name,
    keys: z
      .array(z.string().max(KEY_MAX_LENGTH))
      .min(1)
      .max(KEYS_MAX)
      .optional()
      .meta({ description: "public keys or certificates, PEM; none: those of the server's signer of this name" }),
  }),
  answer: () => delegated,
  async run({ trust }, { gun, name: who, keys }, actor) {
    const read = keys?.map((text) => readPublicKey(text, trust.now()))
    return { gun, ...(await addDelegate(trust, gun, who, read, actor)) }
  },
})

const idOrStart = z.string().regex(/^[0-9a-f]{12,64}$/, 'must be a key id, or at least its first 12 digits')

export const removeDelegation = operation({
  name: 'delegation.remove',
  method: 'DELETE',
  path: '/repositories/:gun/delegations/:name',
  summary: 'Remove a signer, or some of their keys. Clients no longer see what only those have signed.',
  action: 'admin',
  input: z.strictObject({
    gun: gunInput,
    name,
    keyIds: queryList(z.array(idOrStart).min(1).max(KEYS_MAX))
      .optional()
      .meta({ description: 'ids, or their first 12 characters, each as a parameter of its own; none: all of theirs' }),
  }),
  answer: () => delegated,
  async run({ trust }, { gun, name: who, keyIds: given }, actor) {
    return { gun, ...(await removeDelegate(trust, gun, who, given, actor)) }
  },
})
