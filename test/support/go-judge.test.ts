import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { goServerMissing, NOTARY, startGoServer, type GoServer } from './go-server.ts'
import { ReferenceClient } from './reference-client.ts'
import { makeKey, type KeyEntry } from './test-key.ts'
import { keysFrom, TrustWorld, type ServerKeys } from './trust-world.ts'

const run = promisify(execFile)

/** The Go server in memory mode makes a new key for each request: ask once. */
function askOnce(keys: ServerKeys): ServerKeys {
  const known = new Map<string, Promise<KeyEntry>>()
  return (role, which) => {
    const answer = known.get(role + which) ?? keys(role, which)
    known.set(role + which, answer)
    return answer
  }
}

describe('TrustWorld and the reference client, judged by the Go implementation', { skip: goServerMissing() }, () => {
  let server: GoServer
  before(async () => {
    server = await startGoServer()
  })
  after(() => server.stop())

  const list = async (gun: string): Promise<string> => {
    const directory = join(server.directory, gun.replaceAll('/', '-'))
    const { stdout } = await run(NOTARY, ['-s', server.url, '--tlscacert', server.caFile, '-d', directory, 'list', gun])
    return stdout
  }

  const start = async (gun: string, snapshot: 'client' | 'server'): Promise<[TrustWorld, ReferenceClient]> => {
    const serverKeys = askOnce(keysFrom(server, gun))
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys, snapshot })
    return [world, new ReferenceClient(gun, server, Date.now)]
  }

  for (const holder of ['client', 'server'] as const) {
    test(`a repository with the snapshot key on the ${holder}: publish, delegate, rotate, list`, async () => {
      const gun = `judge.example/${holder}/app`
      const [world, client] = await start(gun, holder)
      await world.publishFirst(server)
      assert.match(await list(gun), /^v1 .* targets$/m)
      assert.deepEqual(
        (await client.update()).targets.map((target) => target.name),
        ['v1'],
      )

      world.delegate('targets/releases', [makeKey('ecdsa'), makeKey('rsa'), makeKey('ed25519')], { threshold: 3 })
      world.delegate('targets/restricted', [makeKey('ecdsa')], { paths: ['inside/'] })
      world.addTarget('v2/<&>\u2028é', 'targets/releases')
      world.addTarget('inside/1', 'targets/restricted')
      world.addTarget('outside/1', 'targets/restricted')
      await world.publish(server, 'targets', 'targets/releases', 'targets/restricted')
      const listed = await list(gun)
      assert.match(listed, /^v2\/<&>[^]{1,4} .* targets\/releases$/m)
      assert.match(listed, /^inside\/1 .* targets\/restricted$/m)
      assert.doesNotMatch(listed, /outside/)
      assert.deepEqual(
        (await client.update()).targets.map((target) => `${target.role} ${target.name}`),
        ['targets v1', 'targets/releases v2/<&>\u2028é', 'targets/restricted inside/1'],
      )

      for (let round = 0; round < 3; round += 1) {
        world.rotateRoot(Date.now())
        await world.publish(server, 'root')
      }
      assert.match(await list(gun), /^v1 .* targets$/m)
      assert.equal((await client.update()).versions['root'], 4)
    })
  }
})
