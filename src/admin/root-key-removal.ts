import { z } from 'zod'
import { damageIn, TrustError } from '../errors.ts'
import { changeRecords } from '../repository/change.ts'
import { rootKeyUses } from '../repository/roots/key-uses.ts'
import type { Trust } from '../repository/trust.ts'
import { shellQuoted } from '../tuf/gun.ts'
import { done, texts } from './answers.ts'
import { nameInput } from './inputs.ts'
import { operation } from './operation.ts'
import { allRootKeys, noSuchRootKey, type RootKey } from './root-keys.ts'

export const removeRootKey = operation({
  name: 'root-key.remove',
  method: 'DELETE',
  path: '/root-keys/:name',
  summary:
    'Remove a root key and its sealed form. `warnings` lists repositories that name it: without a copy of the key, their roots can no longer be signed. With `unused=true`, the removal is refused if there are any.',
  action: 'admin',
  input: z.strictObject({ name: nameInput, unused: z.literal('true').optional() }),
  answer: () => z.object({ name: z.string(), removed: done, warnings: texts }),
  async run({ trust }, { name, unused }, actor) {
    return changeRecords(trust, actor, async () => {
      const warnings = await whatNeeds(trust, name)
      if (unused !== undefined && warnings.length > 0) throw new TrustError('WRONG_STATE', warnings.join('; '))
      return [[{ kind: 'root-key', name, value: null }], { name, removed: true as const, warnings }]
    })
  },
})

/** Returns undefined for a damaged key, which can be removed all the same. @throws TrustError NOT_FOUND */
function rootKey({ store }: Trust, name: string): RootKey | undefined {
  try {
    const found = store.record('root-key', name) as RootKey | undefined
    if (found !== undefined) return found
  } catch (error) {
    damageIn(error)
    return undefined
  }
  return noSuchRootKey(name)
}

/** Returns warnings; none if the same key stays here under another name. */
async function whatNeeds(trust: Trust, name: string): Promise<string[]> {
  const record = rootKey(trust, name)
  if (record === undefined) return [`the root key ${name} is damaged: cannot tell which repositories name it`]
  const { keyId, sealed } = record
  const others = (await allRootKeys(trust)).values.filter((other) => other.name !== name && other.keyId === keyId)
  if (others.some((other) => sealed === null || other.sealed !== null)) return []
  const { uses, damaged } = await rootKeyUses(trust, keyId)
  const lost =
    sealed === null
      ? 'its roots are signed with the key file, which "countersign root import" takes back'
      : 'its roots can no longer be signed, unless there is a copy of the key in a file'
  return [
    ...damaged.map((gun) => `${gun} is damaged: cannot tell whether it names ${name}`),
    ...uses.map(({ gun, dispensable }) =>
      dispensable
        ? `${gun} names ${name}; its other root keys are enough: countersign key rotate ${shellQuoted(gun)} root --root-key …`
        : `${gun} needs ${name}: ${lost}`,
    ),
  ]
}
