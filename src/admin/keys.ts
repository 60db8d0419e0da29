import { z } from 'zod'
import { namedKeys } from '../repository/current.ts'
import { noSuchRepository } from '../repository/no-such-repository.ts'
import { isReference } from '../signing/pkcs11/reference.ts'
import { keyId, list, milliseconds } from './answers.ts'
import { gunInput } from './inputs.ts'
import { operation } from './operation.ts'

/** One line of `key list`: a key that the server holds. */
const heldKey = z.lazy(() =>
  z.object({
    role: z.string(),
    keyId,
    keytype: z.enum(['ed25519', 'ecdsa']),
    public: z.string().meta({ description: 'public key, base64, as metadata carries it' }),
    pending: z.boolean().meta({ description: 'whether the key is pending: true until the first signature with it' }),
    createdAt: milliseconds,
    current: z.boolean().meta({ description: 'whether the current metadata names the key for its role' }),
    custody: z
      .enum(['file', 'pkcs11'])
      .meta({ description: 'where the private key is. file: sealed in the store; pkcs11: in a token' }),
  }),
)

export const listKeys = operation({
  name: 'key.list',
  method: 'GET',
  path: '/repositories/:gun/keys',
  summary: 'The keys that the server holds for one repository.',
  action: 'read',
  input: z.strictObject({ gun: gunInput }),
  answer: () => list(heldKey),
  async run({ trust }, { gun }) {
    const { store } = trust
    const keys = await store.keysOf(gun)
    if (keys.length === 0 && store.head(gun)?.roles['root'] === undefined) return noSuchRepository(gun)
    // Read metadata once per role: a role that was often rotated has many keys.
    const roles = new Set(keys.map(({ role }) => role))
    const named = new Map(Array.from(roles, (role) => [role, namedKeys(trust, gun, role)?.keys]))
    return keys.map(({ role, keyId: id, keytype, public: publicKey, pending, createdAt, sealed }) => {
      const current = named.get(role)?.has(id) === true
      const custody = isReference(sealed) ? ('pkcs11' as const) : ('file' as const)
      return { role, keyId: id, keytype, public: publicKey, pending, createdAt, current, custody }
    })
  },
})
