import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Stage } from './support/stage.ts'
import { runProgram, skipWithout, succeeded } from './support/tools.ts'

const PASSPHRASE = 'a-test-passphrase'

test(
  'docker loads an exported root key, and notary rotates with it in docker’s directory',
  { skip: skipWithout('docker', 'notary') },
  async (t) => {
    const stage = await Stage.open()
    const home = await mkdtemp(join(tmpdir(), 'countersign-docker-'))
    t.after(async () => {
      await stage.close()
      await rm(home, { recursive: true })
    })
    const gun = 'docker.io/acme/exported'
    const passphrase = await stage.file(PASSPHRASE)
    const done = (...args: string[]): Promise<string> => stage.done(args)
    await done('repo', 'create', gun, '--passphrase-file', passphrase)
    const reader = await stage.client()
    assert.deepEqual(await reader.list(gun), [])
    const file = join(stage.files, 'root.key')
    const passphrases = ['--passphrase-file', passphrase, '--key-passphrase-file', passphrase]
    await done('root', 'export', 'root', file, '--remove', ...passphrases)

    const environment = {
      HOME: home,
      DOCKER_CONFIG: home,
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
      NOTARY_ROOT_PASSPHRASE: PASSPHRASE,
      NOTARY_TARGETS_PASSPHRASE: PASSPHRASE,
      NOTARY_SNAPSHOT_PASSPHRASE: PASSPHRASE,
    }
    const { text } = succeeded(await runProgram('docker', ['trust', 'key', 'load', file], environment, ''))
    assert.match(text, /Successfully imported key/)
    const notary = async (...args: string[]): Promise<string> => {
      const options = ['-d', join(home, 'trust'), '-s', stage.url, '--tlscacert', stage.caFile]
      return succeeded(await runProgram('notary', [...options, ...args], environment, '')).text
    }
    assert.match(await notary('key', 'list'), /root\s+[0-9a-f]{64}/)
    await notary('list', gun)
    await notary('key', 'rotate', gun, 'timestamp', '-r')
    await done('tag', 'sign', gun, 'v1', `sha256:${'ab'.repeat(32)}`, '10')
    assert.deepEqual(await reader.list(gun), ['v1 targets'])
    assert.deepEqual(await stage.server.check(), [])
  },
)
