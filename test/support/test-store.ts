import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Level } from 'level'
import { openStore, type LevelStore, type StoreOptions } from '../../src/store/level-store.ts'
import { makeStore } from '../../src/store/make-store.ts'
import type { StorePlace } from '../../src/store/place.ts'
import type { Commit, NewDocument } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import type { Role } from '../../src/tuf/role.ts'
import { nobleEd25519 } from './noble-ed25519.ts'

/** Returns a place for a test's store; removed with the test. */
export async function storePlace(t: { after(end: () => Promise<void>): void }): Promise<StoreOptions> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-store-'))
  t.after(() => rm(directory, { recursive: true }))
  const seed = randomBytes(32)
  const publicKey = nobleEd25519.publicKey(seed)
  return {
    directory: join(directory, 'data'),
    anchorFile: join(directory, 'anchor'),
    anchorKey: {
      sign: (bytes) => nobleEd25519.sign(seed, bytes),
      verify: (bytes, signature) => nobleEd25519.verify(publicKey, bytes, signature),
    },
  }
}

/** Makes a new, empty store. */
export async function createStore(place: StorePlace): Promise<void> {
  await makeStore(place.directory, (begun) => begun.complete(place))
}

/** Makes and opens a new store; closes it with the test if it is still open. */
export async function newStore(t: TestContext, place?: StoreOptions): Promise<LevelStore> {
  const options = place ?? (await storePlace(t))
  await createStore(options)
  const store = await openStore(options)
  t.after(() => store.close())
  return store
}

export function documentOf(role: Role, version: number, text: string): NewDocument {
  const bytes = Buffer.from(text)
  return { role, version, bytes, sha256: createHash('sha256').update(bytes).digest('hex'), keyIds: [] }
}

/** Returns a commit of these documents, with a head that names them. */
export function commitOf(name: string, expected: number, documents: NewDocument[], more: Partial<Commit> = {}): Commit {
  const roles = Object.fromEntries(
    documents.map(({ role, version, sha256, bytes }) => [
      role,
      { version, sha256, sha512: '', length: bytes.length, expires: 0 },
    ]),
  )
  const highest = Object.fromEntries(documents.map(({ role, version }) => [role, version]))
  return {
    gun: parseGun(name),
    expected,
    kind: 'publish',
    actor: { name: 'test' },
    time: Date.parse('2026-11-24T08:00:00Z'),
    head: { roles, highest, renewAt: null },
    documents,
    keys: [],
    ...more,
  }
}

/** Flips one bit of a record, in a store that is closed or open in this process. */
export async function spoil({ directory }: Pick<StoreOptions, 'directory'>, key: Buffer): Promise<void> {
  const level = levelIn(directory)
  const record = Buffer.from((await level.get(key)) ?? [])
  record[record.length - 1]! ^= 1
  await level.put(key, record)
  await level.close()
}

/** Flips one bit of a record's key in such a store: the record is no longer found. */
export async function lose({ directory }: Pick<StoreOptions, 'directory'>, key: Buffer): Promise<void> {
  const level = levelIn(directory)
  const record = Buffer.from((await level.get(key)) ?? [])
  const other = Buffer.from(key)
  other[other.length - 1]! ^= 1
  await level.batch().del(key).put(other, record).write()
  await level.close()
}

function levelIn(directory: string): Level<Buffer, Buffer> {
  return new Level(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer', multithreading: true })
}
