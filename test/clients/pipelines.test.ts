import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join, parse } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { asOwner, createRepositories } from '../support/owner.ts'
import { makeToken } from '../support/people.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Job } from './support/job.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

describe(
  'the scripts of docs/PIPELINES.md',
  {
    skip: skipWithout('docker', 'dockerd', 'docker-registry', 'curl'),
  },
  () => {
    let stage: Stage
    let engine: Engine
    let passphraseFile: string
    before(async () => {
      const access = { mode: 'built-in' as const, publicReads: true }
      stage = await Stage.open({ settings: { access, admin: { listen: { port: 0 } } } })
      engine = await Engine.start()
      passphraseFile = await stage.file('a passphrase for root')
    })
    after(async () => {
      await engine.stop()
      await stage.close()
    })

    /** Starts a job that has the server sign. @param token the name of its API token */
    async function signing(image: string, token: string): Promise<Job> {
      const variables = {
        TRUST_ADMIN: `https://localhost:${stage.server.running.adminPort}`,
        TRUST_TOKEN: await makeToken(stage.server.running, token, [`sign:${image}`]),
      }
      return Job.start(engine, stage, { image, variables })
    }

    /** Returns a directory with a `docker` that ignores content trust, as Docker 29 does; `docker trust` works. */
    async function laterDocker(): Promise<string> {
      const directory = await mkdtemp(join(engine.directory, 'later-'))
      const script = '#!/bin/sh\nPATH=${PATH#*:} DOCKER_CONTENT_TRUST=0 exec docker "$@"\n'
      await writeFile(join(directory, 'docker'), script, { mode: 0o755 })
      return directory
    }

    async function refusesDigest(job: Job, tag: string): Promise<void> {
      const { code, stdout, text } = await job.try('digest.sh', tag)
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(text, /no digest, or more than one, is signed/)
    }

    test('the server signs what a job pushed; other jobs get that, whatever is pushed later', async () => {
      const image = `${engine.registry}/acme/app`
      await createRepositories(stage, passphraseFile, image)
      const job = await signing(image, 'app')
      await stage.done(['policy', 'set', 'token:app', '--rule', `${image}:v*`])
      await engine.image(`${image}:v1`, 'first')
      const { stdout } = await job.run('push-and-sign.sh', 'v1')
      const [digest = 'none'] = /sha256:\w{64}/.exec(stdout) ?? []
      assert.match((await job.run('push-and-sign.sh', 'v1')).stdout, /"changed":false/)

      await engine.image(`${image}:v1`, 'of somebody else')
      const refused = await job.try('push-and-sign.sh', 'v1')
      assert.notEqual(refused.code, 0)
      assert.match(refused.text, /"POLICY".* does not allow v1 to be moved/)
      const reader = await Job.start(engine, stage, { image })
      assert.equal((await reader.run('pull.sh', 'v1')).stdout.trim().split('\n').at(-1), `${image}@${digest}`)
      assert.equal((await reader.run('digest.sh', 'v1')).stdout, `${image}@${digest}\n`)
      assert.match((await reader.try('pull.sh', 'v2')).text, /No valid trust data for v2/)
      await refusesDigest(reader, 'v2')

      const PATH = [await laterDocker(), process.env['PATH']].join(delimiter)
      const later = await Job.start(engine, stage, { image, variables: { PATH } })
      assert.equal((await later.run('digest.sh', 'v1')).stdout, `${image}@${digest}\n`)
      const unverified = await later.try('pull.sh', 'v1')
      assert.match(unverified.stdout, /^v1: Pulling from/)
      assert.equal(unverified.code, 1)
    })

    test('a job signs with the key that its owner let sign', async () => {
      const image = `${engine.registry}/acme/with-key`
      await createRepositories(stage, passphraseFile, image)
      const owner = await DockerClient.create(engine, stage, 'owner')
      await owner.run('trust', 'key', 'generate', 'ci', '--dir', owner.directory)
      await stage.done(['delegation', 'add', image, 'ci', join(owner.directory, 'ci.pub')])
      const keys = join(owner.directory, 'trust', 'private')
      const [file = ''] = await readdir(keys)
      const variables = {
        SIGNER_KEY: await readFile(join(keys, file), 'utf8'),
        SIGNER_KEY_ID: parse(file).name,
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'a-test-passphrase',
      }
      assert.match(variables.SIGNER_KEY, /^role: ci$/m)

      const token = await makeToken(stage.server.running, 'ci', [`read,sign:${image}`])
      await engine.image(`${image}:v1`, 'by ci')
      const job = await Job.start(engine, stage, { image, variables, login: `ci:${token}` })
      await job.run('sign-with-key.sh', 'v1')
      assert.deepEqual((await owner.signed(image))['v1']?.signers, ['ci'])
      const reader = await Job.start(engine, stage, { image })
      await reader.run('pull.sh', 'v1')

      await stage.done(['tag', 'sign', image, 'v1', `sha256:${'0'.repeat(64)}`, '1'])
      await refusesDigest(reader, 'v1')
    })

    test('a job refuses an image whose root is not the one that it has', async () => {
      const image = `${engine.registry}/acme/pinned`
      await createRepositories(stage, passphraseFile, image)
      const victim = await Job.start(engine, stage, { image })
      await stage.done(['repo', 'delete', image, '--yes'])
      await asOwner(stage, passphraseFile, async ({ makeRootKey, create }) => {
        await makeRootKey('attacker')
        await create(image, 'attacker')
      })
      await engine.image(`${image}:v1`, 'of the attacker')
      const attacker = await signing(image, 'attacker')
      await attacker.run('push-and-sign.sh', 'v1')
      await attacker.run('pull.sh', 'v1')
      assert.match((await victim.try('pull.sh', 'v1')).text, /could not rotate trust to a new trusted root/)
      await refusesDigest(victim, 'v1')
    })
  },
)
