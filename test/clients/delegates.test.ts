import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeSigner } from '../../src/admin/signers.ts'
import { createRepositories } from '../support/owner.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Stage } from './support/stage.ts'
import { runProgram, skipWithout, succeeded, type Outcome } from './support/tools.ts'

const skip = skipWithout('docker', 'dockerd', 'docker-registry', 'notary')
/** Of all keys of `DockerClient`. */
const PASSPHRASE = 'a-test-passphrase'
let stage: Stage
let engine: Engine
let passphrase: string

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  engine = await Engine.start()
  passphrase = await stage.file('a passphrase for root')
})
after(async () => {
  if (skip !== false) return
  await engine.stop()
  await stage.close()
})

const type = (...args: readonly string[]): Promise<string> => stage.done(args)
/** Returns tags with the signers of each in `targets/releases`. */
const tagsOf = async (docker: DockerClient, gun: string): Promise<string[]> =>
  (await docker.rows(gun)).flatMap(({ tag, signers }) =>
    signers.includes('Repo Admin') ? [] : [`${tag} ${signers.join(' ')}`],
  )

/** Makes a repository that the server signs, with an image for each tag in the registry. */
async function repository(gun: string, ...tags: string[]): Promise<void> {
  const pusher = await DockerClient.create(engine, stage, 'pusher')
  for (const tag of tags) {
    await engine.image(`${gun}:${tag}`, tag)
    await pusher.untrusted('push', `${gun}:${tag}`)
  }
  await createRepositories(stage, passphrase, gun)
}

/** Makes a person with a key of their own. @returns the file of its public key, too */
async function person(name: string): Promise<{ docker: DockerClient; pub: string }> {
  const docker = await DockerClient.create(engine, stage, name)
  await docker.run('trust', 'key', 'generate', name, '--dir', docker.directory)
  return { docker, pub: join(docker.directory, `${name}.pub`) }
}

/** Runs `notary` with docker's keys. */
function notary({ directory }: DockerClient, ...args: string[]): Promise<Outcome> {
  const place = ['-d', join(directory, 'trust'), '-s', stage.url, '--tlscacert', stage.caFile]
  const passphrases = { NOTARY_DELEGATION_PASSPHRASE: PASSPHRASE, NOTARY_TARGETS_PASSPHRASE: PASSPHRASE }
  return runProgram('notary', [...place, ...args], passphrases)
}

test(
  'people and a signer of the server sign in a repository of the server until they are removed',
  { skip },
  async () => {
    const gun = `${engine.registry}/team/central`
    await repository(gun, 'v1', 'v2', 'v3')
    const [alice, bob] = [await person('alice'), await person('bob')]
    assert.notEqual((await alice.docker.try('trust', 'sign', `${gun}:v1`)).code, 0)
    await type('delegation', 'add', gun, 'alice', alice.pub)
    await type('delegation', 'add', gun, 'bob', bob.pub)
    assert.match(await type('delegation', 'add', gun, 'bob', bob.pub), /nothing to do/)
    await alice.docker.run('trust', 'sign', `${gun}:v1`)
    await bob.docker.run('trust', 'sign', `${gun}:v2`)
    const reader = (await person('reader')).docker
    assert.deepEqual(await tagsOf(reader, gun), ['v1 alice', 'v2 bob'])
    await reader.run('pull', `${gun}:v1`)

    // docker prefers targets/releases to what the server signs in targets.
    const shadowed = await type('tag', 'sign', gun, 'v1', `sha256:${'ab'.repeat(32)}`, '10')
    assert.match(shadowed, /warning: targets\/releases has something else for v1, and docker uses that/)
    assert.deepEqual(await tagsOf(reader, gun), ['v1 alice', 'v2 bob'])

    // As CLIENTS says, for those who have no `docker trust`.
    const { stdout: listed } = await notary(reader, 'list', gun, '-r', 'targets/releases', '-r', 'targets')
    assert.match(listed, /^v1 .* targets\/releases$/m)
    assert.doesNotMatch(listed, /(ab){32}/)
    assert.match((await notary(reader, 'lookup', gun, 'v1')).stdout, /(ab){32}/)

    await stage.ask(makeSigner, { name: 'ci' })
    const early = await stage.type('tag', 'sign', gun, 'v3', `sha256:${'cd'.repeat(32)}`, '10', '--as', 'ci')
    assert.match(early.stderr, new RegExp(`add it: countersign delegation add ${gun} ci`))
    await type('delegation', 'add', gun, 'ci')
    await type('tag', 'sign', gun, 'v3', `sha256:${'cd'.repeat(32)}`, '10', '--as', 'ci')
    assert.deepEqual(await tagsOf(reader, gun), ['v1 alice', 'v2 bob', 'v3 ci'])

    // A rotation keeps the delegations.
    await type('key', 'rotate', gun, 'targets', 'snapshot', 'timestamp', '--passphrase-file', passphrase)
    await alice.docker.run('trust', 'sign', `${gun}:v1`)
    assert.deepEqual(await tagsOf(reader, gun), ['v1 alice', 'v2 bob', 'v3 ci'])

    // Since ci signed last, removing alice changes nothing for the others.
    await type('tag', 'sign', gun, 'v3', `sha256:${'ef'.repeat(32)}`, '10', '--as', 'ci')
    assert.doesNotMatch(await type('delegation', 'remove', gun, 'alice'), /warning/)
    assert.notEqual((await alice.docker.try('trust', 'sign', `${gun}:v1`)).code, 0)
    await reader.run('pull', `${gun}:v2`)
    assert.deepEqual(await stage.server.check(), [])
  },
)

test('after the last signer is removed, docker is told how to continue, and notary does it', { skip }, async () => {
  const gun = `${engine.registry}/team/taken-up`
  await repository(gun, 'v1', 'v2')
  const [alice, bob] = [await person('alice'), await person('bob')]
  await type('delegation', 'add', gun, 'alice', alice.pub)
  await type('delegation', 'add', gun, 'bob', bob.pub)
  await bob.docker.run('trust', 'sign', `${gun}:v2`)
  await alice.docker.run('trust', 'sign', `${gun}:v1`)
  const reader = (await person('reader')).docker
  await reader.run('pull', `${gun}:v2`)
  assert.match(
    await type('delegation', 'remove', gun, 'alice'),
    /warning: none of its present keys has signed targets\/releases/,
  )
  assert.match((await reader.try('pull', `${gun}:v2`)).text, /No trust data for v2/)
  const anew = await bob.docker.try('trust', 'sign', `${gun}:v2`)
  assert.match(anew.text, /goes on from that with notary reset \S+ --all, then notary witness -p \S+ targets\/releases/)
  succeeded(await notary(bob.docker, 'reset', gun, '--all'))
  succeeded(await notary(bob.docker, 'witness', '-p', gun, 'targets/releases'))
  await reader.run('pull', `${gun}:v2`)
  await bob.docker.run('trust', 'sign', `${gun}:v2`)
  await bob.docker.run('trust', 'revoke', `${gun}:v1`)
  assert.deepEqual(await tagsOf(reader, gun), ['v2 bob'])
  assert.deepEqual(await stage.server.check(), [])
})

test('the runbooks for somebody who leaves and for a tag that nobody may pull work as written', { skip }, async () => {
  const gun = `${engine.registry}/team/leaving`
  const owner = await DockerClient.create(engine, stage, 'owner')
  const [alice, bob, reader] = [await person('alice'), await person('bob'), (await person('reader')).docker]
  const n = async (docker: DockerClient, ...args: string[]): Promise<Outcome> =>
    succeeded(await notary(docker, ...args))
  for (const tag of ['v1', 'v2']) await engine.image(`${gun}:${tag}`, tag)
  // Signed in targets, since there are no signers yet.
  await owner.run('push', `${gun}:v1`)
  for (const [name, { pub }] of Object.entries({ alice, bob })) {
    await owner.run('trust', 'signer', 'add', '--key', pub, name, gun)
  }
  const { v1: former } = await reader.signed(gun)
  await engine.image(`${gun}:v1`, 'v1 anew')
  await bob.docker.run('push', `${gun}:v1`)
  await alice.docker.run('trust', 'sign', `${gun}:v2`)
  const inspected = JSON.parse((await reader.run('trust', 'inspect', gun)).stdout) as {
    Signers: { Name: string; Keys: { ID: string }[] }[]
  }[]
  const id = inspected[0]?.Signers.find(({ Name }) => Name === 'alice')?.Keys[0]?.ID ?? ''

  // Alice was the last to sign, and leaves: her tag stays, and clients print no warning.
  await n(bob.docker, 'witness', '-p', gun, 'targets/releases')
  await n(owner, 'delegation', 'purge', '-p', gun, '--key', id)
  await n(owner, 'delegation', 'remove', '-y', '-p', gun, 'targets/alice')
  assert.doesNotMatch((await reader.run('pull', `${gun}:v2`)).text, /warning/)
  assert.match((await alice.docker.try('trust', 'sign', `${gun}:v2`)).text, /no valid signing keys/)

  // The list of docs/ADOPTION.md is what docker sees: of v1, what bob has signed.
  const [, program = ''] = /\|\n +awk '([^']+)'/.exec(await readFile('docs/ADOPTION.md', 'utf8')) ?? []
  const list = succeeded(await runProgram('awk', [program], {}, await type('tag', 'list', gun))).stdout
  // A pull says it, not trust inspect, which prints both digests of v1, in any order.
  const seen = []
  for (const tag of ['v1', 'v2']) {
    const { text } = await reader.run('pull', `${gun}:${tag}`)
    seen.push(`${tag} ${/@(sha256:[0-9a-f]{64})/.exec(text)?.[1]}`)
  }
  assert.deepEqual(list.match(/\S+ sha256:\S+/g)?.toSorted(), seen)
  assert.ok(!list.includes(former?.digest ?? ''))

  // Bob withdraws what alice has signed. What targets has, too, only its owner can withdraw.
  await bob.docker.run('trust', 'revoke', `${gun}:v2`)
  assert.match((await reader.try('pull', `${gun}:v2`)).text, /No valid trust data for v2/)
  await bob.docker.run('trust', 'revoke', `${gun}:v1`)
  await reader.run('pull', `${gun}:v1`)
  assert.deepEqual((await reader.signed(gun))['v1'], former, 'docker goes back to the older digest')
  assert.match((await owner.try('trust', 'revoke', `${gun}:v1`)).text, /no valid signing keys for delegation roles/)
  await n(owner, 'remove', '-p', gun, 'v1')
  assert.match((await reader.try('pull', `${gun}:v1`)).text, /No valid trust data for v1/)
  assert.deepEqual(await stage.server.check(), [])
})
