import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { clientCache } from '../../src/registry/client-cache.ts'
import { notaryServer } from '../../src/registry/notary-server.ts'
import { trustAuthority } from '../../src/registry/trust-authority.ts'
import { readTrustData, type ForeignDocument } from '../../src/registry/trust-data.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { goServerMissing, startGoServer, type GoServer } from '../support/go-server.ts'
import { delegationKey } from './support/delegation-key.ts'
import { NotaryClient } from './support/notary.ts'
import { runProgram, skipWithout, succeeded } from './support/tools.ts'

const missing = goServerMissing()
const skip = skipWithout('notary', 'notary-server') || (missing ?? false)
const GUN = parseGun('localhost:5000/team/app')

const rolesOf = (documents: readonly ForeignDocument[]): string[] =>
  documents.map(({ role, bytes }) => {
    const { signed } = JSON.parse(String(bytes)) as { signed: { version: number } }
    return `${role} ${signed.version}`
  })

describe("a repository of the Go server, read from the server and from notary's cache", { skip }, () => {
  let server: GoServer
  let publisher: NotaryClient
  let reader: NotaryClient

  before(async () => {
    server = await startGoServer()
    ;[publisher, reader] = [await NotaryClient.create(server), await NotaryClient.create(server)]
    await publisher.run('init', '-p', GUN)
    const { key, certificate } = await delegationKey(publisher.directory, 'ecdsa')
    await publisher.run('delegation', 'add', '-p', GUN, 'targets/releases', certificate, '--all-paths')
    await publisher.run('key', 'import', key, '--role', 'user')
    await publisher.run('addhash', '-p', GUN, 'v1', '7', '--sha256', 'a'.repeat(64), '-r', 'targets/releases')
    await rotateRoot()
    await reader.run('list', GUN)
  })
  after(async () => {
    await publisher.remove()
    await reader.remove()
    await server.stop()
  })

  /** notary asks for confirmation. */
  const rotateRoot = async (): Promise<void> => {
    const place = ['-s', server.url, '--tlscacert', server.caFile, '-d', publisher.directory]
    const passphrase = 'a-test-passphrase'
    const environment = {
      HOME: publisher.directory,
      NOTARY_ROOT_PASSPHRASE: passphrase,
      NOTARY_TARGETS_PASSPHRASE: passphrase,
      NOTARY_SNAPSHOT_PASSPHRASE: passphrase,
    }
    succeeded(await runProgram('notary', [...place, 'key', 'rotate', GUN, 'root'], environment, 'yes\n'))
  }

  test("the server has all documents; a reader's cache has all but the first root", async () => {
    trustAuthority(server.ca ?? '')
    const there = await readTrustData(notaryServer(server.url, GUN, { credentials: async () => undefined }), GUN)
    assert.deepEqual(rolesOf(there).slice(2), ['root 2', 'root 1', 'targets 3', 'targets/releases 1'])
    const kept = await readTrustData(clientCache(reader.directory, GUN), GUN)
    assert.deepEqual(
      kept,
      there.filter((_, index) => rolesOf(there)[index] !== 'root 1'),
    )
  })

  test("a publisher's cache is older, or lacks a timestamp, until the next read", async () => {
    const kept = await readTrustData(clientCache(publisher.directory, GUN), GUN)
    assert.ok(rolesOf(kept).includes('root 1'))
    const fresh = await NotaryClient.create(server)
    const gun = parseGun('localhost:5000/team/other')
    await fresh.run('init', '-p', gun)
    await assert.rejects(
      readTrustData(clientCache(fresh.directory, gun), gun),
      /has no timestamp of .* not read it yet$/,
    )
    await fresh.run('list', gun)
    assert.equal((await readTrustData(clientCache(fresh.directory, gun), gun)).length, 4)
    await fresh.remove()
  })
})
