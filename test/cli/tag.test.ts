import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { makeSigner } from '../../src/admin/signers.ts'
import { timeText } from '../support/metadata-file.ts'
import { named } from '../support/owned-repository.ts'
import { createRepositories } from '../support/owner.ts'
import { COMMAND } from '../support/server-process.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { Terminal } from './terminal.ts'

const INDEX = Buffer.from('{"schemaVersion":2,"manifests":[]}')
const DIGEST = `sha256:${createHash('sha256').update(INDEX).digest('hex')}`
const ONE = `sha256:${'1'.repeat(64)}`
const DAY = 86_400_000
const BASIC = `Basic ${Buffer.from('alice:registry-password').toString('base64')}`

describe('tags from a registry, from a pipe, as a signer, under policies', () => {
  let terminal: Terminal
  let registry: Server
  let gun: string
  let credentials: string

  before(async () => {
    terminal = await Terminal.open()
    registry = createServer((request, response) => {
      if (request.headers.authorization !== BASIC) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"' }).end()
      } else if (request.url === '/v2/team/app/manifests/v1') {
        response.writeHead(200, { 'Content-Type': 'application/vnd.oci.image.index.v1+json' }).end(INDEX)
      } else response.writeHead(404).end()
    }).listen(0, '127.0.0.1')
    await once(registry, 'listening')
    const host = `127.0.0.1:${(registry.address() as AddressInfo).port}`
    gun = `${host}/team/app`
    const auth = Buffer.from('alice:registry-password').toString('base64')
    await mkdir(terminal.path('docker'))
    credentials = JSON.stringify({ auths: { [host]: { auth } } })
    await writeFile(terminal.path('docker', 'config.json'), credentials)
    terminal.environment['DOCKER_CONFIG'] = terminal.path('docker')
    await writeFile(terminal.path('pass'), 'a passphrase for root\n', { mode: 0o600 })
    await terminal.host()
    await createRepositories(terminal, 'pass', gun)
  })
  after(async () => {
    registry.closeAllConnections()
    registry.close()
    await terminal.close()
  })

  /** Runs a command and replaces the repository's name by GUN, since its port differs in each run. */
  async function prints(command: string, expected: string | RegExp, code = 0): Promise<void> {
    const { stdout, stderr, code: ended } = await terminal.run(command.replaceAll('GUN', gun).split(' '))
    const shown = (stdout + stderr).replaceAll(gun, 'GUN').replaceAll(gun.split('/')[0] ?? '', 'REGISTRY')
    if (typeof expected === 'string') assert.equal(shown, expected, command)
    else assert.match(shown, expected, command)
    assert.equal(ended, code, command)
    assert.doesNotMatch(shown, /registry-password/)
  }

  test('tag sign takes the digest from the registry and prints it', async () => {
    const done = `signed GUN:v1, which the registry says is ${DIGEST} (targets)\n`
    await prints('tag sign GUN v1 --dry-run', `would do: ${done}`)
    await prints('tag list GUN', 'no signed tags\n')
    await prints('tag sign GUN v1', done)
    await prints('tag sign GUN v1', 'already up to date: nothing to do\n')
    await prints(
      'tag list GUN',
      [`TAG  DIGEST${' '.repeat(67)}SIZE  SIGNED BY`, `v1   ${DIGEST}  ${INDEX.length}    targets`, ''].join('\n'),
    )
    await prints(
      'tag sign GUN v2',
      'error: http://REGISTRY has no team/app:v2\nhint: DOCKER_CONTENT_TRUST=0 docker push, or give its digest and size\n',
      1,
    )
    // An empty variable counts as unset, as for docker, which then looks in the home directory.
    await mkdir(terminal.path('home'))
    await symlink(terminal.path('docker'), terminal.path('home', '.docker'))
    const home = { DOCKER_CONFIG: '', HOME: terminal.path('home') }
    const { stdout } = await terminal.run(['tag', 'sign', gun, 'v1'], home)
    assert.equal(stdout, 'already up to date: nothing to do\n')
    await writeFile(terminal.path('docker', 'config.json'), '{}')
    await prints(
      'tag sign GUN v1',
      'error: the registry http://REGISTRY requires a password\nhint: docker login REGISTRY\n',
      2,
    )
    // As CI systems give it to docker.
    const given = await terminal.run(['tag', 'sign', gun, 'v1'], { DOCKER_AUTH_CONFIG: credentials })
    assert.equal(given.stdout, 'already up to date: nothing to do\n', given.stderr)
  })

  test('mistyped arguments change nothing', async () => {
    await prints(`tag sign GUN v3 ${ONE} many`, 'error: the size must be a number of bytes\n', 2)
    await prints(
      'tag sign GUN',
      'error: which tag?\nhint: give the name and the tag as two words, GUN TAG; for many tags: --from FILE\n',
      2,
    )
    await prints('tag sign GUN v3 --from x', 'error: use either a tag or --from\n', 2)
    await prints(
      'tag sign GUN --from x',
      'error: cannot read x: ENOENT: no such file or directory\nhint: check --from\n',
      2,
    )
    await prints(`tag sign GUN -x ${ONE} 1`, /^error: unknown option '-x'/, 2)
    const impossible =
      'error: tag: a tag has 1 to 128 letters, digits, "_", "." and "-", and does not begin with "." or "-"\n'
    for (const tag of ['', '-x', 'a/b', 'é']) {
      const { code, stderr } = await terminal.run(['tag', 'sign', '--', gun, tag])
      assert.deepEqual([code, stderr], [2, impossible], tag)
    }
    await prints(`tag sign GUN v3 sha256:1 1`, 'error: digest: must look like sha256:0123…\n', 2)
  })

  test('tags from a pipe are all signed in one publish, or none', async () => {
    const list = Array.from({ length: 300 }, (_, index) => `n${index} ${ONE} ${index + 1}\r\n`).join('')
    const pipe = async (input: string): Promise<{ code: number | null; printed: string }> => {
      const options = { env: terminal.environment, cwd: terminal.directory }
      const child = spawn(COMMAND, ['tag', 'sign', gun, '--from', '-', '--json'], options)
      child.stdin.end(input)
      const [printed, said, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      return { code: code as number | null, printed: printed + said }
    }
    const { code, printed } = await pipe(list)
    assert.equal(code, 0, printed)
    const { etag, ...answer } = JSON.parse(printed) as Record<string, unknown>
    assert.deepEqual(answer, {
      gun,
      roles: ['targets'],
      changed: true,
      leftOut: [],
      absent: [],
      shadowed: [],
      remaining: [],
    })
    const { stdout } = await terminal.run(['tag', 'list', gun, '--json'])
    const listed = JSON.parse(stdout) as { etag: string; tags: { tag: string; length: number }[] }
    assert.equal(listed.etag, etag)
    assert.equal(listed.tags.length, 301)
    assert.equal(listed.tags.find(({ tag }) => tag === 'n299')?.length, 300)
    for (const broken of [`broken ${ONE}`, `broken ${ONE} 1e3`, `broken ${ONE} 10 20`]) {
      assert.deepEqual(await pipe(`new ${ONE} 1\n${broken}\n`), {
        code: 2,
        printed: 'error: line 2 of - is not "TAG DIGEST SIZE"\n',
      })
    }
    for (const [line, fault] of [
      [`-x ${ONE} 1`, /^error: line 3 of -: tag: a tag has 1 to 128 letters, /],
      ['new sha256:1 1', /^error: line 3 of -: digest: must look like sha256:0123…\n$/],
      [`new ${ONE} 0`, /^error: line 3 of -: size: must be 1 or more\n$/],
    ] as const)
      assert.match((await pipe(`# a list\n\n${line}\n`)).printed, fault)
    assert.match((await pipe(`same ${ONE} 1\nsame ${ONE} 2\n`)).printed, /the tag same is listed twice/)
    await prints('tag remove GUN n0 n1 n2', 'no longer signs 3 tags (targets)\n')
    await prints('tag remove GUN n0 n5 nope', 'no longer signs GUN:n5 (targets)\nnot signed before: n0, nope\n')
    await prints('tag remove GUN nope', 'already up to date: nothing to do\nnot signed before: nope\n')
    await writeFile(terminal.path('list'), '\uFEFF# no tag today\n  # nor here\n')
    await prints('tag sign GUN --from list', 'nothing to do: list contains no tags\n')
    await writeFile(terminal.path('list'), `new ${ONE} 1\n`)
    await writeFile(terminal.path('docker', 'config.json'), credentials)
    for (const change of [
      'remove GUN n3',
      'remove GUN n3 n4',
      `sign GUN n3 ${ONE} 99`,
      'sign GUN v1',
      'sign GUN --from list',
    ])
      await prints(
        `tag ${change} --if-match ${listed.etag}`,
        'error: the tags of GUN changed in the meantime\nhint: list them again\n',
        2,
      )
  })

  test('signer show prints a key that can go into a file', async () => {
    await prints('signer create ci --dry-run', 'would do: signer ci, a new key\n')
    await prints('signer list', 'no signers\n')
    await prints('signer create ci', /^signer ci, key [0-9a-f]{64}\n/)
    await prints('signer show ci', /^-----BEGIN PUBLIC KEY-----\n[\w+/=\n]+\n-----END PUBLIC KEY-----\n$/)
    await prints('signer show nobody', /^error: there is no signer nobody\nhint: /, 1)
    await prints('signer create releases', /^error: "releases" cannot be the name of a signer\n/, 2)
    await prints('tag list GUN --as ci', 'no signed tags\n')
    const nobody = 'error: nobody signs in GUN as nobody\nhint: "countersign repo show GUN" prints who does\n'
    await prints('tag list GUN --as nobody', nobody, 1)
  })

  test('a tag removed as a signer that targets signs too is named, since docker goes on with it', async () => {
    await prints('delegation add GUN ci', /^targets\/ci may sign GUN, /)
    for (const as of ['', ' --as ci']) await prints(`tag sign GUN v5 ${ONE} 10${as}`, /^signed GUN:v5/)
    const { stdout } = await terminal.run(['tag', 'list', gun, '--json'])
    const names = (JSON.parse(stdout) as { tags: { tag: string }[] }).tags.map(({ tag }) => tag)
    assert.equal(names.filter((tag) => tag === 'v5').length, 3)
    await prints('repo delete GUN', new RegExp(`^error: .* GUN has ${new Set(names).size} signed tags$`, 'm'), 1)
    await prints(
      'tag remove GUN v5 --as ci',
      'no longer signs GUN:v5 (targets/ci, targets/releases)\n' +
        'warning: targets has v5 too, and docker uses that now: countersign tag remove GUN TAG, without --as; ' +
        'where the owner has the targets key: notary remove -p GUN TAG\n',
    )
    await prints('tag remove GUN v5', 'no longer signs GUN:v5 (targets)\n')
  })

  test('with a policy, only what one of its rules allows is signed', async () => {
    await prints('policy show signer:ci', /^error: there are no rules for signer:ci\n/, 1)
    const rules =
      'WHO        REPOSITORIES  TAGS  EXISTING      SEEN IN REGISTRY\n' +
      'signer:ci  *             v*    may be moved  -\n'
    await prints('policy set signer:ci --rule *:v*:move', rules)
    await prints('policy show signer:ci', rules)
    // JSON turns Infinity into null, which would drop the rule's condition in a running server.
    const bad = ['docker.io/acme/app', '*:v*:checked=0', '*:v*:checked=Infinity', '*:v*:moves', ':v*', 'a//b:*']
    for (const rule of bad) {
      const { code, stderr } = await terminal.run(['policy', 'set', 'signer:ci', '--rule', rule])
      assert.equal(code, 2, rule)
      assert.match(stderr, /^error: "\S+" is not? /, rule)
    }
    await prints('policy set local --rule *:*', /^error: subject: must look like signer:ci or user:alice\n/, 2)
    assert.match(await terminal.checked(), /: sound\n$/)
  })
})

test('a signer is told that clients see nothing of it where the targets of the owner have expired', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  const server = await terminal.host()
  const gun = 'docker.io/acme/owned'
  const owner = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun), snapshot: 'server' })
  const { publicKey } = await terminal.ask(makeSigner, { name: 'ci' })
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  for (const role of ['targets/ci', 'targets/releases']) {
    owner.delegate(role, [named({ keytype: 'ecdsa', public: spki.toString('base64') })])
    owner.delegations.delete(role)
  }
  owner.targets.expires = timeText(Date.now() + DAY)
  await owner.publishFirst(server)
  await server.end()
  // In a stopped server the command's own clock counts.
  await writeFile(terminal.path('later.mjs'), `const { now } = Date; Date.now = () => now() + ${2 * DAY}`)
  const sign = ['tag', 'sign', gun, 'v1', ONE, '10', '--as', 'ci']
  const { code, stdout } = await terminal.run(sign, { NODE_OPTIONS: '--import=./later.mjs' })
  assert.match(stdout, /^signed .*\nwarning: clients do not see it: targets expired at \d{4}-.*\n$/)
  assert.equal(code, 0)
})
