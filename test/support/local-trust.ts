import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createTrust, type Trust } from '../../src/repository/trust.ts'
import { publish } from '../../src/repository/publish.ts'
import { readCurrent } from '../../src/repository/read.ts'
import { currentKey, rotateKey } from '../../src/repository/server-key.ts'
import { createKeysDirectory, openKeysDirectory } from '../../src/signing/keys-directory.ts'
import { check, type CheckReport } from '../../src/repository/check.ts'
import type { KeyFault } from '../../src/signing/signer.ts'
import type { FaultHook } from '../../src/store/commit/committer.ts'
import { openStore } from '../../src/store/level-store.ts'
import { parseGun, type Gun } from '../../src/tuf/gun.ts'
import type { Role } from '../../src/tuf/role.ts'
import { ReferenceClient } from './reference-client.ts'
import { createStore } from './test-store.ts'
import type { ServerKeys } from './trust-world.ts'
import type { Part } from './upload.ts'

const DAY = 86_400_000

export const TEST_ACTOR = { name: 'test' }

/** A server without HTTP: real store, real keys, in a temporary directory, with a clock that the test moves. */
export interface LocalTrust {
  readonly trust: Trust
  /** Directory of the database. */
  readonly directory: string
  /** Milliseconds since 1970. */
  readonly clock: { now: number }
  /** Runs the whole `countersign check`. @param keyFault replaces the test of keys */
  check(keyFault?: KeyFault): Promise<CheckReport>
  close(): Promise<void>
}

export async function openLocalTrust(now: number, faults?: FaultHook): Promise<LocalTrust> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-trust-'))
  await createKeysDirectory(join(directory, 'keys'))
  const keys = await openKeysDirectory(join(directory, 'keys'))
  await createStore({
    directory: join(directory, 'data'),
    anchorFile: join(directory, 'anchor'),
    anchorKey: keys.anchorKey,
  })
  return openLocalTrustIn(directory, now, faults)
}

/** Opens an existing one, such as a copy; removed on close. @param directory above that of the database */
export async function openLocalTrustIn(directory: string, now: number, faults?: FaultHook): Promise<LocalTrust> {
  const keys = await openKeysDirectory(join(directory, 'keys'))
  const place = {
    directory: join(directory, 'data'),
    anchorFile: join(directory, 'anchor'),
    anchorKey: keys.anchorKey,
    faults,
  }
  const store = await openStore(place)
  const clock = { now }
  const signer = keys.signer('ecdsa')
  const trust = createTrust({
    store,
    signer,
    now: () => clock.now,
    random: () => 0.5,
    policy: { timestampLife: 14 * DAY, snapshotLife: 1095 * DAY, gunPrefixes: [], publishesWaitingPerGun: 16 },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  })
  const checkAll = async (
    keyFault: KeyFault = async (name, sealed) => signer.fault(name, sealed),
  ): Promise<CheckReport> => check(await store.snapshot(), keyFault, clock.now)
  const close = async (): Promise<void> => {
    await store.close()
    await rm(directory, { recursive: true })
  }
  return { trust, directory: place.directory, clock, check: checkAll, close }
}

/** Opens one for the duration of a test. */
export async function localTrustFor(t: TestContext, now: number): Promise<LocalTrust> {
  const local = await openLocalTrust(now)
  t.after(() => local.close())
  return local
}

/** Publishes without HTTP. */
export function localPublish(trust: Trust, gun: Gun, parts: readonly Part[]): Promise<void> {
  const uploads = parts.map(({ role, bytes }) => ({ filename: role, bytes }))
  return publish(trust, gun, uploads, TEST_ACTOR)
}

/** Returns the response to a client, without HTTP. */
export async function localFile(trust: Trust, gun: Gun, file: string): Promise<{ status: number; body: Buffer }> {
  const [, version, role = '', sha256] = /^(?:(\d+)\.)?(.+?)(?:\.([0-9a-f]{64}))?\.json$/.exec(file) ?? []
  const found =
    version !== undefined
      ? trust.store.document(gun, role as Role, { version: Number(version) })
      : sha256 !== undefined
        ? trust.store.document(gun, role as Role, { sha256 })
        : await readCurrent(trust, gun, role as Role)
  return found === undefined ? { status: 404, body: Buffer.alloc(0) } : { status: 200, body: Buffer.from(found.bytes) }
}

/** Creates a client with an empty cache. */
export function localClient({ trust, clock }: LocalTrust, gun: Gun): ReferenceClient {
  return new ReferenceClient(
    gun,
    (file) => localFile(trust, gun, file),
    () => clock.now,
  )
}

/** Requests the server's keys without HTTP. */
export function localKeys(trust: Trust, gun: string): ServerKeys {
  return async (role, which) => {
    const ask = which === 'current' ? currentKey : rotateKey
    const { keytype, public: text } = await ask(trust, parseGun(gun), role, TEST_ACTOR)
    return { keytype, keyval: { private: null, public: text } }
  }
}
