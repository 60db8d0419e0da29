import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { planRoot } from '../../src/admin/roots.ts'
import { signTag } from '../../src/admin/tags.ts'
import { freePort } from '../support/free-port.ts'
import { asOwner, createRepositories, makeRootKeys } from '../support/owner.ts'
import { countersign, ServerProcess } from '../support/server-process.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const skip = skipWithout('notary')
const DIGEST = `sha256:${'ab'.repeat(32)}`
let stage: Stage
let passphrase: string

before(async () => {
  if (skip !== false) return
  stage = await Stage.open()
  passphrase = await stage.file('a passphrase for root')
})
after(async () => {
  if (skip === false) await stage.close()
})

const type: Stage['type'] = (...args) => stage.type(...args)
const sign = (gun: string, tag: string, as?: string): Promise<unknown> =>
  stage.ask(signTag, { gun, tag, digest: DIGEST, size: 10, ...(as === undefined ? {} : { as }) })
const done = (...args: string[]): Promise<string> => stage.done(args)

test(
  'the server rotates each role, and a client follows whether it knows the previous state or an old one',
  { skip },
  async () => {
    const gun = 'docker.io/acme/rotated'
    const root = ['--passphrase-file', passphrase]
    await createRepositories(stage, passphrase, gun)
    await sign(gun, 'v0')
    const [reader, sleeper] = [await stage.client(), await stage.client()]
    assert.deepEqual(await reader.list(gun), ['v0 targets'])
    assert.deepEqual(await sleeper.list(gun), ['v0 targets'])
    await makeRootKeys(stage, passphrase, 'second')
    const tags = ['v0 targets']
    const readerFollows = async (what: readonly string[]): Promise<void> => {
      await sign(gun, `v${tags.length}`)
      tags.push(`v${tags.length} targets`)
      assert.deepEqual(await reader.list(gun), tags, what.join(' '))
    }
    const held = [['timestamp'], ['snapshot'], ['targets'], ['targets', 'snapshot', 'timestamp']] as const
    await asOwner(stage, passphrase, async ({ rotate }) => {
      for (const roles of held) {
        const { cachedRoots } = await stage.ask(planRoot, { gun, roles: [...roles] })
        assert.ok(cachedRoots.every(({ follows }) => follows))
        await rotate(gun, roles)
        await readerFollows(roles)
      }
    })
    for (const rotation of [
      ['root', '--renew'],
      ['root', '--root-key', 'second'],
      ['root', '--renew'],
    ]) {
      const plan = await done('key', 'rotate', gun, ...rotation, '--plan')
      assert.match(plan, /all clients follow/, rotation.join(' '))
      await done('key', 'rotate', gun, ...rotation, ...root)
      await readerFollows(rotation)
    }
    for (const client of [sleeper, await stage.client()]) assert.deepEqual(await client.list(gun), tags)
    assert.deepEqual(await stage.server.check(), [])
  },
)

test('with two root keys each root needs both', { skip }, async () => {
  const gun = 'docker.io/acme/two-persons'
  const keyPassphrase = await stage.file('of the key files')
  await asOwner(stage, passphrase, async ({ makeRootKey, createWith }) => {
    for (const name of ['first', 'next', 'stranger']) await makeRootKey(name)
    await createWith(gun, ['first', 'next'], { threshold: 2 })
  })
  const reader = await stage.client()
  assert.deepEqual(await reader.list(gun), [])
  await done('key', 'rotate', gun, 'timestamp', '--stage')
  const early = await type('root', 'publish', gun)
  assert.equal(early.code, 2)
  assert.match(early.stderr, /lacks signatures/)
  const staged = join(stage.files, 'staged.json')
  await done('root', 'show', gun, '--out', staged)
  for (const [name, signedBy] of [
    ['first', 1],
    ['next', 2],
  ] as const) {
    const keyFile = join(stage.files, `${name}.key`)
    await done('root', 'export', name, keyFile, '--passphrase-file', passphrase, '--key-passphrase-file', keyPassphrase)
    await done('root', 'sign', staged, '--key', keyFile, '--key-passphrase-file', keyPassphrase)
    if (signedBy === 1) assert.notEqual((await type('root', 'publish', gun, staged)).code, 0)
  }
  await done('root', 'publish', gun, staged)
  await sign(gun, 'v1')
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  // A stranger's key signs nothing here.
  const strange = join(stage.files, 'stranger.key')
  await done(
    ...['root', 'export', 'stranger', strange, '--passphrase-file', passphrase],
    ...['--key-passphrase-file', keyPassphrase],
  )
  await done('key', 'rotate', gun, 'snapshot', '--stage')
  const again = join(stage.files, 'second-staged.json')
  await done('root', 'show', gun, '--out', again)
  const foreign = await type('root', 'sign', again, '--key', strange, '--key-passphrase-file', keyPassphrase)
  assert.equal(foreign.code, 2)
  assert.match(foreign.stderr, /is not a root key of/)
  assert.deepEqual(await stage.server.check(), [])
})

test(
  'with an offline root key, notary rotates and takes over; the key file has notary’s own format',
  { skip },
  async () => {
    const gun = 'docker.io/acme/offline'
    await asOwner(stage, passphrase, async ({ makeRootKey, create }) => {
      await makeRootKey('offline')
      await create(gun, 'offline')
    })
    await sign(gun, 'v1')
    const reader = await stage.client()
    assert.deepEqual(await reader.list(gun), ['v1 targets'])
    const keyFile = join(stage.files, 'offline.key')
    const keyPassphrase = await stage.file('a-test-passphrase')
    await done(
      'root',
      'export',
      'offline',
      keyFile,
      '--passphrase-file',
      passphrase,
      '--key-passphrase-file',
      keyPassphrase,
      '--remove',
    )
    const plan = await type('key', 'rotate', gun, 'targets', '--dry-run')
    assert.equal(plan.code, 1, 'the exit code is that of the rotation')
    assert.match(plan.stdout, /\n {4}[0-9a-f]{64} offline \(offline\)\n {2}it would wait for signatures: too few/)
    const [{ waits, known } = {}] = JSON.parse(
      (await type('key', 'rotate', gun, 'targets', '--plan', '--json')).stdout,
    ) as {
      waits?: boolean
      known?: { name: string; holder: string }[]
    }[]
    assert.partialDeepStrictEqual({ waits, known }, { waits: true, known: [{ name: 'offline', holder: 'offline' }] })
    assert.doesNotMatch(await done('key', 'rotate', gun, 'targets', '--stage', '--plan'), /would wait/)
    const alone = await type('key', 'rotate', gun, 'targets')
    assert.equal(alone.code, 1)
    assert.match(alone.stdout, /waits for signatures/)
    await done('root', 'discard', gun)
    const admin = await stage.client()
    await admin.run('key', 'import', keyFile)
    await admin.list(gun)
    await admin.run('key', 'rotate', gun, 'timestamp', '-r')
    await admin.run('key', 'rotate', gun, 'snapshot', '-r')
    assert.deepEqual(await reader.list(gun), ['v1 targets'])
    await sign(gun, 'v2')
    assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
    // A notary key moves here, and from then on the server's commands sign with it.
    await done(
      'root',
      'import',
      'back',
      keyFile,
      '--key-passphrase-file',
      keyPassphrase,
      '--passphrase-file',
      passphrase,
    )
    await done('key', 'rotate', gun, 'targets', '--passphrase-file', passphrase)
    assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
    assert.deepEqual(await stage.server.check(), [])
  },
)

test("a client's root: the server stages it, and the owner’s key file signs", { skip }, async () => {
  const gun = 'example.org/owner/holds-root'
  const owner = await stage.client()
  await owner.run('init', '-p', gun)
  await owner.run('key', 'rotate', gun, 'snapshot', '-r')
  await owner.run('add', '-p', gun, 'v1', await stage.file('v1'))
  const reader = await stage.client()
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await done('key', 'rotate', gun, 'timestamp', '--stage')
  const staged = join(stage.files, 'owner-staged.json')
  await done('root', 'show', gun, '--out', staged)
  const { stdout } = await owner.run('key', 'list')
  const [, keyId = ''] = /root\s+([0-9a-f]{64})/.exec(stdout) ?? []
  const keyFile = join(owner.directory, 'private', `${keyId}.key`)
  await done('root', 'sign', staged, '--key', keyFile, '--key-passphrase-file', await stage.file('a-test-passphrase'))
  await done('root', 'publish', gun, staged)
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await owner.run('add', '-p', gun, 'v2', await stage.file('v2'))
  assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
  assert.deepEqual(await stage.server.check(), [])
})

test('replacing one of two persons needs both old keys and both new ones, and clients follow', { skip }, async () => {
  const gun = 'docker.io/acme/replaced'
  const root = ['--passphrase-file', passphrase]
  await asOwner(stage, passphrase, async ({ makeRootKey, createWith }) => {
    for (const name of ['alice', 'bob', 'carol']) await makeRootKey(name)
    await createWith(gun, ['alice', 'bob'], { threshold: 2 })
  })
  await sign(gun, 'v1')
  const reader = await stage.client()
  assert.deepEqual(await reader.list(gun), ['v1 targets'])
  await done('key', 'rotate', gun, 'root', '--root-key', 'alice', 'carol', '--stage', ...root)
  for (const [name, code] of [
    ['alice', 1],
    ['carol', 1],
    ['bob', 0],
  ] as const) {
    assert.equal((await type('root', 'sign', gun, '--root-key', name, ...root)).code, code, name)
  }
  await done('key', 'rotate', gun, 'timestamp', '--stage')
  const replaced = await type('root', 'sign', gun, '--root-key', 'bob', ...root)
  assert.equal(replaced.code, 2)
  assert.match(replaced.stderr, /no root key of docker.io\/acme\/replaced is among those to sign with: bob/)
  await done('root', 'sign', gun, ...root)
  await sign(gun, 'v2')
  assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
  assert.deepEqual(await stage.server.check(), [])
})

test(
  'a fleet under one root certificate recovers from a lost root key and distrust of every server key',
  { skip },
  async () => {
    const root = ['--passphrase-file', passphrase]
    const guns = ['docker.io/fleet/one', 'docker.io/fleet/two']
    await asOwner(stage, passphrase, async ({ makeRootKey, createWith }) => {
      for (const name of ['lost', 'kept']) await makeRootKey(name)
      for (const gun of guns) await createWith(gun, ['lost', 'kept'], { commonName: 'docker.io/fleet/*' })
    })
    for (const gun of guns) await sign(gun, 'v1')
    const reader = await stage.client()
    for (const gun of guns) assert.deepEqual(await reader.list(gun), ['v1 targets'])
    const roles = ['root', 'timestamp', 'snapshot', 'targets']
    await done('key', 'rotate', 'docker.io/fleet/*', ...roles, '--all', '--root-key', 'kept', ...root)
    const [plan] = JSON.parse(await done('key', 'rotate', guns[0] ?? '', 'root', '--plan', '--json')) as {
      signers: string[]
    }[]
    assert.equal(plan?.signers.length, 1)
    for (const gun of guns) {
      await sign(gun, 'v2')
      assert.deepEqual(await reader.list(gun), ['v1 targets', 'v2 targets'])
    }
    assert.deepEqual(await stage.server.check(), [])
  },
)

test('the runbook for a stolen signer key works as written', { skip }, async () => {
  const gun = 'docker.io/acme/stolen-signer'
  const [owner, reader] = [await stage.client(), await stage.client()]
  await owner.run('init', '-p', gun)
  await owner.run('key', 'rotate', gun, 'snapshot', '-r')
  const pem = join(stage.files, 'ci.pem')
  const [old = ''] = /[0-9a-f]{64}/.exec(await done('signer', 'create', 'ci')) ?? []
  const add = async (): Promise<void> => {
    await writeFile(pem, await done('signer', 'show', 'ci'))
    for (const role of ['targets/ci', 'targets/releases']) {
      await owner.run('delegation', 'add', '-p', gun, role, pem, '--all-paths')
    }
  }
  await add()
  for (const tag of ['ours', 'theirs']) await sign(gun, tag, 'ci')
  assert.deepEqual(await reader.list(gun), ['ours targets/ci', 'theirs targets/ci'])
  await done('signer', 'rotate', 'ci')
  const early = await done('signer', 'rotate', 'ci', '--finish', '--dry-run')
  assert.match(early, /^warning: docker\.io\/acme\/stolen-signer does not have the new key: .*docker trust signer add/m)
  await add()
  const purge = ['delegation', 'purge', '-p', gun, '--key', old]
  const trusted = new RegExp(
    `\nwarning: ${gun} still trusts ${old}; its owner can end that: notary ${purge.join(' ')}\n$`,
  )
  assert.match(await done('signer', 'rotate', 'ci', '--finish', '--dry-run'), trusted)
  // Repeated until all owners have followed.
  for (const _ of [1, 2]) assert.match(await done('signer', 'rotate', 'ci', '--finish'), trusted)
  assert.ok((await done('signer', 'remove', 'ci', '--dry-run')).includes(`${gun} still trusts ${old};`))
  await owner.run(...purge)
  assert.deepEqual(await reader.list(gun), [], 'what only the old key has signed is not trusted')
  assert.doesNotMatch(await done('signer', 'rotate', 'ci', '--finish'), /warning/)
  const signed = await done('tag', 'sign', gun, 'ours', DIGEST, '10', '--as', 'ci')
  assert.match(signed, /\nnot signed again, since the key that signed them is no longer trusted: theirs\n$/)
  for (const client of [reader, await stage.client()]) assert.deepEqual(await client.list(gun), ['ours targets/ci'])
  assert.match(
    await done('signer', 'remove', 'ci', '--dry-run'),
    new RegExp(`\nwarning: ${gun} still trusts [0-9a-f]{64};`),
  )
  assert.deepEqual(await stage.server.check(), [])
})

test(
  'after an older backup, whoever saw newer roots follows changed root keys only once root has passed them',
  { skip },
  async (t) => {
    const [early, late, renewed] = ['docker.io/lost/early', 'docker.io/lost/late', 'docker.io/lost/renewed'] as const
    const root = ['--passphrase-file', passphrase]
    await createRepositories(stage, passphrase, early, late, renewed)
    await makeRootKeys(stage, passphrase, 'later')
    const backup = stage.path('backup')
    await done('backup', backup)
    await done('key', 'rotate', early, 'timestamp', ...root)
    await done('key', 'rotate', late, 'timestamp', ...root)
    await done('key', 'rotate', renewed, 'root', '--renew', ...root)
    const reader = await stage.client()
    for (const gun of [early, late, renewed]) assert.deepEqual(await reader.list(gun), [])

    const restored = new ServerProcess(backup, await freePort())
    await restored.start()
    t.after(() => restored.end('SIGTERM'))
    const again = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await countersign(args, restored.environment)
      assert.equal(code, 0, stderr)
    }
    const changeKey = (gun: string): Promise<void> =>
      again('key', 'rotate', gun, 'root', '--root-key', 'later', ...root)
    await changeKey(early)
    for (const gun of [early, late, renewed]) await again('key', 'rotate', gun, 'timestamp', ...root)
    await changeKey(late)
    for (const gun of [early, renewed]) await again('key', 'rotate', gun, 'timestamp', ...root)
    for (const tag of ['v1', 'v2']) await again('tag', 'sign', late, tag, DIGEST, '10')

    reader.use({ url: restored.url, caFile: join(backup, 'keys', 'tls', 'ca.crt') })
    assert.deepEqual(await reader.list(late), ['v1 targets', 'v2 targets'])
    for (const gun of [early, renewed]) {
      const { code, text } = await reader.try('list', gun)
      assert.equal(code, 1, text)
      assert.match(text, /failed to validate data with current trusted certificates/)
    }
  },
)
