import type { TestContext } from 'node:test'
import { currentDocument } from '../../src/repository/current.ts'
import { createSigner } from '../../src/repository/signers/signers.ts'
import { signTags, type SignRequest, type SignResult } from '../../src/repository/signers/sign-tags.ts'
import type { StoredKey } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import type { Role } from '../../src/tuf/role.ts'
import { localClient, localKeys, localPublish, localTrustFor, TEST_ACTOR, type LocalTrust } from './local-trust.ts'
import { keyIdOf, type KeyEntry, type TestKey } from './test-key.ts'
import { TrustWorld } from './trust-world.ts'
import type { Part } from './upload.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
export const GUN = parseGun('example.org/sign-tags')
/** Digests. */
export const A = 'a'.repeat(64)
export const B = 'b'.repeat(64)
export const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')

/** Somebody's repository with a snapshot signed by the server, and a client that reads it. */
interface Owned {
  readonly here: LocalTrust
  readonly owner: TrustWorld
  readonly send: (parts: readonly Part[]) => Promise<void>
  readonly sign: (tag: string, sha256: string, more?: Partial<SignRequest>) => Promise<SignResult>
  /** Returns the stored payload of a role. */
  readonly payload: (role: string) => Record<string, unknown> & { targets: Record<string, unknown>; version: number }
  /** Returns what a client with an empty cache lists, as `role tag sha256`, and its warnings. */
  readonly listed: () => Promise<{ targets: string[]; warnings: readonly string[] }>
}

export async function owned(t: TestContext): Promise<Owned> {
  const here = await localTrustFor(t, NOW)
  const { trust } = here
  const owner = await TrustWorld.create({
    gun: GUN,
    now: NOW,
    serverKeys: localKeys(trust, GUN),
    snapshot: 'server',
  })
  const send: Owned['send'] = (parts) => localPublish(trust, GUN, parts)
  await send(owner.parts('root', 'targets'))
  return {
    here,
    owner,
    send,
    sign: (tag, sha256, more = {}) =>
      signTags(trust, GUN, { set: [{ tag, sha256, length: 7 }], remove: [], as: 'ci', ...more }, TEST_ACTOR),
    payload: (role) => {
      const { bytes } = currentDocument(trust, GUN, trust.store.head(GUN), role as Role)!
      return (JSON.parse(Buffer.from(bytes).toString()) as { signed: ReturnType<Owned['payload']> }).signed
    },
    async listed() {
      const { targets, warnings } = await localClient(here, GUN).update()
      return { targets: targets.map(({ name, role, sha256 }) => `${role} ${name} ${sha256 ?? ''}`), warnings }
    },
  }
}

/** Returns a key of the server in the form in which an owner names it in a delegation. */
export function named({ keytype, public: text }: Pick<StoredKey, 'keytype' | 'public'>): TestKey {
  const entry: KeyEntry = { keytype, keyval: { private: null, public: text } }
  return { id: keyIdOf(entry), entry } as TestKey
}

/** Adds a signer as `docker trust signer add` does. */
export async function add(world: Owned, role: string, key: TestKey, options: { paths?: string[] } = {}): Promise<void> {
  world.owner.delegate(role, [key], options)
  world.owner.delegations.delete(role)
  await world.send(world.owner.nextParts('targets'))
}

/** Removes signers as `docker trust signer remove` does. */
export async function drop({ owner, send }: Owned, ...roles: string[]): Promise<void> {
  const { delegations } = owner.targets
  delegations.roles = delegations.roles.filter(({ name }) => !roles.includes(name))
  await send(owner.nextParts('targets'))
}

/** Returns an owner who has added the signer ci as docker does. */
export async function withSigner(t: TestContext): Promise<Owned & { key: TestKey }> {
  const world = await owned(t)
  const key = named(await createSigner(world.here.trust, 'ci', TEST_ACTOR))
  await add(world, 'targets/ci', key)
  await add(world, 'targets/releases', key)
  return { ...world, key }
}
