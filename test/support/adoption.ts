import { hash } from 'node:crypto'
import type { TestContext } from 'node:test'
import { adopt, type Adopted } from '../../src/repository/adoption/adopt.ts'
import type { ForeignDocument } from '../../src/repository/adoption/offer.ts'
import { prepareRotation, type PreparedRoot } from '../../src/repository/roots/prepare.ts'
import { publishStagedRoot } from '../../src/repository/roots/publish.ts'
import { importKey, type Imported } from '../../src/repository/import-key.ts'
import { stageRoot, signStagedRoot } from '../../src/repository/roots/stage.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { Head } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import type { Role } from '../../src/tuf/role.ts'
import {
  localClient,
  localFile,
  localKeys,
  localPublish,
  localTrustFor,
  TEST_ACTOR,
  type LocalTrust,
} from './local-trust.ts'
import { fileMeta, signedFile, timeText } from './metadata-file.ts'
import { ReferenceClient, type View } from './reference-client.ts'
import { makeKey, type TestKey } from './test-key.ts'
import type { FileSigner } from '../../src/signing/file-signer.ts'
import { TrustWorld } from './trust-world.ts'
import type { Part } from './upload.ts'

export const DAY = 86_400_000
export const NOW = Date.parse('2026-11-28T08:00:00.000Z')
export const GUN = parseGun('docker.io/acme/app')

/** A server that shuts down soon, a repository on it, its owner, and the server that takes over. */
interface Move {
  readonly there: LocalTrust
  readonly here: LocalTrust
  readonly owner: TrustWorld
  /** Publishes on the old server, as the owner. */
  readonly publish: (parts: readonly Part[]) => Promise<void>
  /** Returns everything that the old server has now, old roots too. */
  readonly offer: () => ForeignDocument[]
  readonly adopt: (documents?: readonly ForeignDocument[], trusted?: string) => Promise<Adopted>
  /** Creates a client that keeps its cache, on the server that `at` returns. */
  readonly client: (at: () => LocalTrust) => ReferenceClient
  readonly wait: (milliseconds: number) => void
}

export async function move(t: TestContext, snapshot: 'server' | 'client' = 'server'): Promise<Move> {
  const there = await localTrustFor(t, NOW)
  const here = await localTrustFor(t, NOW)
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: localKeys(there.trust, GUN), snapshot })
  const publishTo = (trust: Trust) => (parts: readonly Part[]) => localPublish(trust, GUN, parts)
  await publishTo(there.trust)(owner.parts('root', 'targets'))
  const offer = (): ForeignDocument[] => allOf(there.trust)
  return {
    there,
    here,
    owner,
    publish: publishTo(there.trust),
    offer,
    adopt: (documents = offer(), trusted?: string) => adopt(here.trust, GUN, documents, trusted, TEST_ACTOR),
    client: (at) =>
      new ReferenceClient(
        GUN,
        (file) => fileOf(at().trust, file),
        () => here.clock.now,
      ),
    wait(milliseconds) {
      there.clock.now += milliseconds
      here.clock.now += milliseconds
    },
  }
}

function allOf({ store }: Trust): ForeignDocument[] {
  const roles = store.head(GUN)?.roles ?? {}
  const current = Object.entries(roles).map(([role, { sha256 }]) => ({
    role: role as Role,
    bytes: store.document(GUN, role as Role, { sha256 })!.bytes,
  }))
  const older = Array.from({ length: (roles['root']?.version ?? 1) - 1 }, (_, index) => index + 1)
  return [
    ...older
      .flatMap((version) => store.document(GUN, 'root', { version }) ?? [])
      .map(({ bytes }) => ({ role: 'root' as Role, bytes })),
    ...current,
  ]
}

export const fileOf = (trust: Trust, file: string): ReturnType<typeof localFile> => localFile(trust, GUN, file)

export const namesOf = ({ targets }: View): string[] => targets.map(({ role, name }) => `${role} ${name}`)
export const sha256Of = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex')
export const versionsHere = ({ here }: Move): Record<string, number> =>
  Object.fromEntries(
    Object.entries(here.trust.store.head(GUN)?.roles ?? {}).map(([role, { version }]) => [role, version]),
  )

/** Has the server make the next root, and the owner sign it, away from the server. */
export async function takeOver(
  { here, owner }: Pick<Move, 'here' | 'owner'>,
  prepare = ({ trust, clock }: LocalTrust, head: Head | undefined): Promise<PreparedRoot> =>
    prepareRotation(trust, GUN, head, clock.now, ['snapshot']),
): Promise<number> {
  const { trust } = here
  await stageRoot(trust, GUN, TEST_ACTOR, 'taken over', (head) => prepare(here, head))
  const inForce = owner.signers.get('root')!.filter(({ id }) => owner.root.roles['root']!.keyids.includes(id))
  const staged = trust.store.record('staged-root', GUN) as { payload: Parameters<typeof signedFile>[0] }
  const { signatures } = JSON.parse(String(signedFile(staged.payload, inForce))) as {
    signatures: { keyid: string; method: string; sig: string }[]
  }
  await signStagedRoot(trust, GUN, signatures, TEST_ACTOR)
  return publishStagedRoot(trust, GUN, TEST_ACTOR)
}

/** A repository all of whose keys the test holds. */
export interface Made {
  readonly owner: TrustWorld
  readonly timestampKey: TestKey
  /** Returns all documents, signed as they stand, and older roots. */
  readonly documents: () => ForeignDocument[]
  readonly roots: ForeignDocument[]
  /** Makes the current root an old one, and begins the next. */
  readonly nextRoot: () => void
}

export async function made(): Promise<Made> {
  const timestampKey = makeKey('ed25519')
  const owner = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: async () => timestampKey.entry })
  const roots: ForeignDocument[] = []
  let version = 0
  return {
    owner,
    timestampKey,
    roots,
    nextRoot() {
      roots.push({ role: 'root', bytes: owner.sign('root') })
      owner.root.version += 1
    },
    documents() {
      for (const payload of owner.delegations.values()) payload.version = Math.max(1, payload.version)
      const parts = owner.parts('root', 'targets', ...owner.delegations.keys())
      version += 1
      const meta = { snapshot: fileMeta(parts.at(-1)!.bytes) }
      const payload = { _type: 'Timestamp', expires: timeText(NOW + 14 * DAY), meta, version }
      const timestamp = { role: 'timestamp', bytes: signedFile(payload, [timestampKey]) }
      return [...roots, ...parts, timestamp] as ForeignDocument[]
    },
  }
}

export const server = (t: TestContext): Promise<LocalTrust> => localTrustFor(t, NOW)

export const adoptOn = (here: LocalTrust, documents: readonly ForeignDocument[], trusted?: string): Promise<Adopted> =>
  adopt(here.trust, GUN, documents, trusted, TEST_ACTOR)

/** Publishes on the new server. */
export const publishOn = (here: LocalTrust, parts: readonly Part[]): Promise<void> =>
  localPublish(here.trust, GUN, parts)

export const clientOf = (here: LocalTrust): ReferenceClient => localClient(here, GUN)

export const importFor = (
  here: LocalTrust,
  role: 'timestamp' | 'snapshot' | 'targets',
  { privateKey }: TestKey,
): Promise<Imported> => {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = (here.trust.signer as FileSigner).importKey(GUN, role, pkcs8)
  return importKey(here.trust, GUN, role, sealed, TEST_ACTOR)
}

export const importTimestampKey = (here: LocalTrust, key: TestKey): Promise<Imported> =>
  importFor(here, 'timestamp', key)
