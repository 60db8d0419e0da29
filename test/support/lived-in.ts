import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cp, writeFile } from 'node:fs/promises'
import { Level } from 'level'
import { makeBackup } from '../../src/admin/backup.ts'
import { setPolicy } from '../../src/admin/policies.ts'
import { makeSigner, renewSigner } from '../../src/admin/signers.ts'
import { signTag } from '../../src/admin/tags.ts'
import { createToken } from '../../src/admin/tokens.ts'
import { addUser, setUser } from '../../src/admin/users.ts'
import type { Repair } from '../../src/repair.ts'
import { Terminal, type RepairOptions } from '../cli/terminal.ts'
import { exchange, type Endpoint } from './exchange.ts'
import { createRepositories } from './owner.ts'
import { makeKey } from './test-key.ts'
import { keysFrom, TrustWorld } from './trust-world.ts'
import { tufPath } from './upload.ts'

/** Its publisher signs everything but the timestamp; it has a delegation, and is large enough for differences. */
export const APP = 'example.org/app'
/** Deleted, and published again. */
export const REBORN = 'example.org/reborn'
export const DELETED = 'example.org/deleted'
/** The server signs its tags. */
export const OWN = 'example.org/own'

const READ = [{ pattern: '*', actions: ['read' as const] }]
const SIGN = [{ pattern: '*', actions: ['sign' as const] }]
const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

/** What a stopped server leaves after all features were used, with two backups of different times. */
export interface LivedIn {
  readonly terminal: Terminal
  readonly app: TrustWorld
  /** Copies the stopped server, to be damaged. Returns its directory, and the variables that name its places. */
  copy(name: string): Promise<{ directory: string; environment: Record<string, string> }>
  /** Returns the variables for a directory with `data` and `keys`. */
  placeOf(name: string): Record<string, string>
  /**
   * Runs a repair without a process for it.
   *
   * @param place variables that name the places of the damaged store
   * @param name of the directory to make @throws TrustError
   */
  repair(place: Record<string, string>, name: string, options?: RepairOptions): Promise<Repair>
}

/** `old` and `fresh` are backups in the terminal's directory; everything changed again between them. */
export async function livedIn(): Promise<LivedIn> {
  const terminal = await Terminal.open()
  return live(terminal).catch(async (error: unknown) => {
    await terminal.close()
    throw error
  })
}

async function live(terminal: Terminal): Promise<LivedIn> {
  await writeFile(terminal.path('pass'), 'a passphrase for root\n', { mode: 0o600 })
  const server = await terminal.host()
  const create = (gun: string): Promise<TrustWorld> =>
    TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
  const app = await create(APP)
  for (let tag = 0; tag < 60; tag += 1) app.addTarget(`tag-${tag}`)
  await app.publishFirst(server)
  const releases = makeKey('ecdsa')
  app.delegate('targets/releases', [releases])
  app.addTarget('r1', 'targets/releases')
  await app.publish(server, 'targets', 'targets/releases')
  for (const gun of [REBORN, DELETED]) {
    const world = await create(gun)
    await world.publishFirst(server)
    await world.publish(server, 'targets')
    await remove(server, gun)
  }
  await createRepositories(terminal, 'pass', OWN)
  const sign = (tag: string): Promise<unknown> =>
    terminal.ask(signTag, { gun: OWN, tag, digest: digest(tag), size: 10 })
  await sign('v1')
  for (const name of ['alice', 'bob']) await terminal.ask(addUser, { name, grants: READ })
  await terminal.ask(setPolicy, { subject: 'user:alice', rules: [{ guns: '*', tags: 'v*' }] })
  await terminal.ask(makeSigner, { name: 'ci' })
  await terminal.ask(makeBackup, { directory: terminal.path('old') })

  for (const gun of [APP, APP]) {
    app.addTarget(`${gun}-${app.targets.version}`)
    await app.publish(server, 'targets', 'targets/releases')
  }
  await (await create(REBORN)).publishFirst(server)
  await sign('v2')
  await terminal.ask(setUser, { name: 'alice', grants: SIGN })
  await terminal.ask(setPolicy, { subject: 'user:alice', rules: [{ guns: '*', tags: 'w*' }] })
  await terminal.ask(createToken, { name: 'of-alice', grants: READ, owner: 'alice' })
  await terminal.ask(renewSigner, { name: 'ci' })
  await terminal.ask(makeBackup, { directory: terminal.path('fresh') })
  await server.end()

  const placeOf = (name: string): Record<string, string> => ({
    COUNTERSIGN_DATA_DIRECTORY: terminal.path(name, 'data'),
    COUNTERSIGN_KEYS_DIRECTORY: terminal.path(name, 'keys'),
  })
  return {
    terminal,
    app,
    placeOf,
    repair: (place, name, options) => terminal.repair(name, options, place),
    async copy(name) {
      for (const part of ['data', 'keys']) {
        await cp(terminal.path(part), terminal.path(name, part), { recursive: true })
      }
      return { directory: terminal.path(name, 'data'), environment: placeOf(name) }
    },
  }
}

async function remove(server: Endpoint, gun: string): Promise<void> {
  const { status } = await exchange(server, { method: 'DELETE', path: tufPath(gun) })
  assert.equal(status, 200)
}

/** Returns all records of a closed store, as LevelDB has them, by key in hex. */
export async function recordsOf(directory: string): Promise<Map<string, Buffer>> {
  const level = new Level<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const records = new Map<string, Buffer>()
  for await (const [key, record] of level.iterator()) records.set(key.toString('hex'), record)
  await level.close()
  return records
}

/** Changes records of a closed store. @param change returns undefined to delete the record */
export async function changeRecords(
  directory: string,
  keys: readonly Buffer[],
  change: (record: Buffer, key: Buffer) => Buffer | undefined,
): Promise<void> {
  const level = new Level<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  for (const key of keys) {
    const record = await level.get(key)
    assert.ok(record !== undefined, 'there is such a record')
    const changed = change(Buffer.from(record), key)
    await (changed === undefined ? level.del(key) : level.put(key, changed))
  }
  await level.close()
}

/** Writes raw records. */
export async function putRecords(directory: string, records: Iterable<readonly [Buffer, Buffer]>): Promise<void> {
  const level = new Level<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  for (const [key, record] of records) await level.put(key, record)
  await level.close()
}

/** Changes a record in more than one bit, so that it cannot be corrected. */
export function ruined(record: Buffer): Buffer {
  for (let at = record.length - 1; at >= 0; at -= 3) record[at]! ^= 0x55
  return record
}
