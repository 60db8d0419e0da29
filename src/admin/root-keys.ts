import { z } from 'zod'
import { TrustError } from '../errors.ts'
import { changeRecords } from '../repository/change.ts'
import type { RootKeyPlaces } from '../repository/root-renewal.ts'
import { rootKeyId, type SealedRootKey } from '../signing/root-key.ts'
import { findRecords, type FoundRecords } from '../store/found-records.ts'
import { nameInput } from './grants.ts'
import { operation, type World } from './operation.ts'
import { rowsOf } from './rows.ts'

/** A root key by name: where it is, and its public half. Whoever opens it has its passphrase, which is not here. */
export interface RootKey {
  readonly name: string
  /** As people and key files name it. */
  readonly keyId: string
  /** SubjectPublicKeyInfo, base64. */
  readonly public: string
  /** Null: offline, in a key file. */
  readonly sealed: SealedRootKey | null
  /** Certificates that many repositories share, PEM in base64, by common name: `docker.io/acme/*`. */
  readonly certificates: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** Characters of a sealed key and of a public one. */
const TEXT_MAX = 4096

export const listRootKeys = operation({
  name: 'root-key.list',
  method: 'GET',
  path: '/root-keys',
  summary:
    'Root keys by name, each sealed under a passphrase of its own that the server does not know, or offline; of one that cannot be read, `damaged` says why.',
  action: 'admin',
  input: z.strictObject({}),
  run: async ({ store }) => rowsOf(await allRootKeys(store), (key) => key),
})

export const saveRootKey = operation({
  name: 'root-key.save',
  method: 'PUT',
  path: '/root-keys/:name',
  summary:
    'Store a root key, sealed by whoever made it, or with `sealed` null as being offline; left out, that stays as it is.',
  action: 'admin',
  input: z.strictObject({
    name: nameInput,
    public: z.base64().max(TEXT_MAX).meta({ description: 'SubjectPublicKeyInfo of a P-256 key' }),
    sealed: z
      .strictObject({
        derivation: z.strictObject({
          name: z.literal('argon2id'),
          salt: z.base64().max(TEXT_MAX),
          memory: z.number().int(),
          passes: z.number().int(),
          lanes: z.number().int(),
        }),
        sealed: z.base64().max(TEXT_MAX),
      })
      .nullable()
      .optional(),
    certificates: z.record(z.string().max(256), z.base64().max(16_384)).default({}),
  }),
  async run({ trust, store }, { name, public: publicKey, sealed, certificates }, actor): Promise<RootKey> {
    let saved: RootKey | undefined
    await changeRecords(trust, actor, async (now) => {
      const before = store.record('root-key', name) as RootKey | undefined
      if (before !== undefined && before.public !== publicKey) {
        throw new TrustError('WRONG_STATE', `there is another root key ${name} already`, {
          hint: 'choose another name',
        })
      }
      const createdAt = before?.createdAt ?? now
      const shared = { ...before?.certificates, ...certificates }
      const place = sealed === undefined ? (before?.sealed ?? null) : sealed
      saved = { name, keyId: rootKeyId(publicKey), public: publicKey, sealed: place, certificates: shared, createdAt }
      return [{ kind: 'root-key', name, value: saved }]
    })
    return saved as RootKey
  },
})

/** Where each root key is that has a name here, by key id; a key with two names is where it can be used. */
export async function rootKeyPlaces({ store }: Pick<World, 'store'>): Promise<RootKeyPlaces> {
  const places = new Map<string, 'sealed here' | 'offline'>()
  for (const { keyId, sealed } of (await allRootKeys(store)).values) {
    if (sealed !== null) places.set(keyId, 'sealed here')
    else if (!places.has(keyId)) places.set(keyId, 'offline')
  }
  return places
}

/** All that have a name here, sealed or offline. @throws TrustError STORE_UNAVAILABLE */
export function allRootKeys(store: World['store']): Promise<FoundRecords<RootKey>> {
  return findRecords(store, 'root-key')
}
