import { z } from 'zod'
import { TrustError } from '../errors.ts'
import { changeRecords } from '../repository/change.ts'
import type { RootKeyPlaces } from '../repository/roots/renewal.ts'
import type { Trust } from '../repository/trust.ts'
import { rootKeyId } from '../signing/root-key.ts'
import { findRecords, type FoundRecords } from '../store/found-records.ts'
import { keyId, milliseconds } from './answers.ts'
import { keyText, nameInput } from './inputs.ts'
import { operation } from './operation.ts'
import { rows, rowsOf } from './rows.ts'

/** Characters of a repository's name, or of a prefix and `*`. */
const COMMON_NAME_MAX_LENGTH = 256
/** Characters of a sealed key and of a public one. */
const TEXT_MAX = 4096

/** A private key under its passphrase. */
const sealedKey = z.strictObject({
  derivation: z.strictObject({
    name: z.literal('argon2id'),
    salt: z.base64().max(TEXT_MAX),
    memory: z.number().int(),
    passes: z.number().int(),
    lanes: z.number().int(),
  }),
  sealed: z.base64().max(TEXT_MAX),
})

/**
 * A root key by name: where it is, and its public half. Only those who open it have its passphrase, which is not stored.
 */
const rootKey = z.lazy(() =>
  z
    .object({
      name: z.string(),
      keyId,
      public: z.string().meta({ description: 'public key, SubjectPublicKeyInfo in base64' }),
      sealed: sealedKey.nullable().meta({ description: 'sealed private key; null: offline, in a key file' }),
      certificates: z.record(z.string(), z.string()).meta({
        description: 'certificates that many repositories share, PEM in base64, by common name: docker.io/acme/*',
      }),
      createdAt: milliseconds,
    })
    .meta({ id: 'RootKey' }),
)
export type RootKey = z.output<typeof rootKey>

export const listRootKeys = operation({
  name: 'root-key.list',
  method: 'GET',
  path: '/root-keys',
  summary:
    'Root keys by name, each offline or sealed under a passphrase of its own, which the server does not know; `damaged` says why one cannot be read.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () => rows(rootKey),
  run: async ({ trust }) => rowsOf(await allRootKeys(trust), (key) => key),
})

export const saveRootKey = operation({
  name: 'root-key.save',
  method: 'PUT',
  path: '/root-keys/:name',
  summary:
    'Store a root key, sealed by whoever made it. With `sealed` null, the key is offline; without `sealed`, what is stored stays as it is.',
  action: 'admin',
  input: z.strictObject({
    name: nameInput,
    public: z.base64().max(TEXT_MAX).meta({ description: 'public key (P-256), SubjectPublicKeyInfo in base64' }),
    sealed: sealedKey.nullable().optional(),
    certificates: z.record(z.string().max(COMMON_NAME_MAX_LENGTH), keyText).default({}),
  }),
  answer: () => rootKey,
  async run({ trust }, { name, public: publicKey, sealed, certificates }, actor) {
    return changeRecords(trust, actor, async (now) => {
      const before = trust.store.record('root-key', name) as RootKey | undefined
      // It was removed meanwhile: storing it as offline would bring it back, though nobody has a file of it.
      if (before === undefined && sealed === undefined) {
        noSuchRootKey(name, 'say where it is: sealed, or null for offline')
      }
      if (before !== undefined && before.public !== publicKey) {
        throw new TrustError('WRONG_STATE', `another root key named ${name} already exists`, {
          hint: 'choose another name',
        })
      }
      const createdAt = before?.createdAt ?? now
      const shared = { ...before?.certificates, ...certificates }
      const place = sealed === undefined ? (before?.sealed ?? null) : sealed
      const keyId = rootKeyId(publicKey)
      const saved = { name, keyId, public: publicKey, sealed: place, certificates: shared, createdAt }
      return [[{ kind: 'root-key', name, value: saved, action: actionOf(before, sealed) }], saved]
    })
  },
})

/** Says what is done to a root key, for the journal. @param sealed as in the input of `root-key.save` */
function actionOf(before: RootKey | undefined, sealed: RootKey['sealed'] | undefined): string {
  if (before === undefined) return sealed === null ? 'added, offline' : 'added'
  if (sealed === undefined) return 'certificates added'
  if (sealed === null) return 'offline now'
  return before.sealed === null ? 'stored here again' : 'sealed anew'
}

/** Returns where each named root key is, by key id; a key with two names is where it can be used. */
export async function rootKeyPlaces(trust: Trust): Promise<RootKeyPlaces> {
  const places = new Map<string, 'sealed here' | 'offline'>()
  for (const { keyId, sealed } of (await allRootKeys(trust)).values) {
    if (sealed !== null) places.set(keyId, 'sealed here')
    else if (!places.has(keyId)) places.set(keyId, 'offline')
  }
  return places
}

export function noSuchRootKey(name: string, hint = '"countersign root list" prints all'): never {
  throw new TrustError('NOT_FOUND', `there is no root key ${name}`, { hint })
}

/** Returns all named root keys, sealed or offline. @throws TrustError STORE_UNAVAILABLE */
export function allRootKeys({ store }: Trust): Promise<FoundRecords<RootKey>> {
  return findRecords(store, 'root-key')
}
