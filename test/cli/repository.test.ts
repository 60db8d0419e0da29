import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import type { Hosted } from './hosted.ts'
import { steady, Terminal, type Started } from './terminal.ts'

const GUN = 'docker.io/library/alpine'

const LIST = `REPOSITORY                VERSION  DELEGATIONS  EXPIRES
docker.io/library/alpine  2        1            YYYY-MM-DD (N days)
`

const SHOW = `docker.io/library/alpine

Roles
  ROLE       VERSION  EXPIRES                 KEYS
  root       1        YYYY-MM-DD (N days)  SHORTENED-ID ecdsa-x509 (client, certificate to YYYY-MM-DD (N days))
  targets    2        YYYY-MM-DD (N days)  SHORTENED-ID ecdsa (client)
  snapshot   2        YYYY-MM-DD (N days)  SHORTENED-ID ecdsa (server)
  timestamp  2        YYYY-MM-DD (N days)    SHORTENED-ID ecdsa (server)

Delegations
  ROLE              VERSION  EXPIRES                 KEYS                         PATHS
  targets/releases  1        YYYY-MM-DD (N days)  SHORTENED-ID ecdsa (client)  all
  targets/alice     -        nothing signed yet      SHORTENED-ID ecdsa (client)  v1*, v2*

Signed tags
  TAG              DIGEST                                                                   SIZE  SIGNED BY
  v1               sha256:ID  2     targets
  3.20             sha256:ID  4     targets/releases
  tag\\u{202e}gnp.  sha256:ID  10    targets/releases
`

const KEYS = `ROLE       KEY ID                                                            TYPE   WHERE  MADE        STATE
snapshot   ID  ecdsa  file   YYYY-MM-DD  in use
timestamp  ID  ecdsa  file   YYYY-MM-DD  in use
`

const CHECK = '1 repository, 4 commits, 31 records: sound\n'

/** Characters that a terminal would act on; JSON escapes them. */
const INVISIBLE = /[\u0080-\u009f\p{Cf}]/u

describe('the commands about repositories', () => {
  let terminal: Terminal
  let server: Started
  /** The next server, in the test's process. */
  let hosted: Hosted
  /** The answers as JSON: lists of repositories, one of them, its keys, and what was found. */
  let answers: unknown[]

  before(async () => {
    terminal = await Terminal.open()
    server = await terminal.serve(['--quiet'])
    const options = { gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN), snapshot: 'server' } as const
    const world = await TrustWorld.create(options)
    await world.publishFirst(server)
    world.delegate('targets/releases', [makeKey('ecdsa')])
    world.delegate('targets/alice', [makeKey('ecdsa')], { paths: ['v1', 'v2'] })
    world.addTarget('3.20', 'targets/releases')
    // A name that a terminal would show from right to left.
    world.addTarget('tag\u202egnp.', 'targets/releases')
    await world.publish(server, 'targets', 'targets/releases')
  })

  after(() => terminal.close())

  async function prints(args: readonly string[], expected: string): Promise<void> {
    const { code, stdout, stderr } = await terminal.run(args)
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(steady(stdout), expected)
  }

  async function json(...args: string[]): Promise<unknown> {
    const { code, stdout, stderr } = await terminal.run([...args, '--json'])
    assert.deepEqual([code, stderr], [0, ''])
    assert.doesNotMatch(stdout, INVISIBLE)
    return JSON.parse(stdout)
  }

  /** Runs all read-only commands. @returns the answers as JSON */
  async function asksEverything(): Promise<unknown[]> {
    await prints(['repo', 'list'], LIST)
    await prints(['repo', 'show', GUN], SHOW)
    await prints(['key', 'list', GUN], KEYS)
    await prints(['check'], CHECK)
    return [
      await json('repo', 'list'),
      await json('repo', 'show', GUN),
      await json('key', 'list', GUN),
      await json('check'),
    ]
  }

  test('print the same with a running and a stopped server', async () => {
    answers = await asksEverything()
    assert.equal(await server.end(), 0)
    assert.deepEqual(await asksEverything(), answers)
    assert.deepEqual(
      server.log.filter(({ level }) => level !== 'info'),
      [],
    )
    hosted = await terminal.host()
  })

  test('--json has all that the text has, and no private key', () => {
    const [row] = answers[0] as Record<string, unknown>[]
    assert.deepEqual([row?.['gun'], row?.['version'], row?.['delegations']], [GUN, 2, 1])
    const shown = answers[1] as {
      gun: string
      roles: { role: string; keys: { id: string; holder: string; certificateEnds?: string }[] }[]
      delegations: { role: string; version: number; paths: string[] }[]
      tags: { tag: string; digest: string; role: string }[]
    }
    assert.deepEqual(
      shown.roles.map(({ role, keys }) => [role, keys[0]?.holder]),
      [
        ['root', 'client'],
        ['targets', 'client'],
        ['snapshot', 'server'],
        ['timestamp', 'server'],
      ],
    )
    assert.match(shown.roles[0]?.keys[0]?.certificateEnds ?? '', /^\d{4}-\d\d-\d\dT/)
    assert.deepEqual(shown.delegations[1]?.paths, ['v1', 'v2'])
    assert.deepEqual(
      shown.tags.map(({ tag }) => tag),
      ['v1', '3.20', 'tag\u202egnp.'],
    )
    const keys = answers[2] as Record<string, unknown>[]
    assert.deepEqual(Object.keys(keys[0] ?? {}).toSorted(), [
      'createdAt',
      'current',
      'custody',
      'keyId',
      'keytype',
      'pending',
      'public',
      'role',
    ])
  })

  test('print the journal as one JSON line per entry, without control characters', async () => {
    const { stdout } = await terminal.run(['audit', '--json', '--kind', 'publish'])
    assert.doesNotMatch(stdout, INVISIBLE)
    const entries = stdout.trimEnd().split('\n')
    const { changes } = JSON.parse(entries.at(-1) ?? '') as { changes: { tag: string }[] }
    assert.deepEqual(
      changes.map(({ tag }) => tag),
      ['3.20', 'tag\u202egnp.'],
    )
  })

  test('exit with 1 for a repository that does not exist', async () => {
    for (const args of [
      ['repo', 'show', 'example.org/none'],
      ['repo', 'delete', 'example.org/none', '--yes'],
      ['key', 'list', 'example.org/none'],
    ]) {
      const { code, stdout, stderr } = await terminal.run(args)
      assert.deepEqual([code, stdout], [1, ''])
      assert.equal(
        stderr,
        'error: there is no repository example.org/none\nhint: "countersign repo list" prints all names\n',
      )
    }
  })

  test('tell an image name with a tag, or without its registry, from an unknown name', async () => {
    const list = '"countersign repo list" prints all names'
    for (const [typed, hint] of [
      ['example.org:5000/none:v1', 'names have no tag: example.org:5000/none'],
      ['acme/none:v1', 'names have no tag: docker.io/acme/none'],
      ['none:v1', 'names have no tag: docker.io/library/none'],
      ['acme/none', `docker's name for it is docker.io/acme/none; ${list}`],
      ['none', `docker's name for it is docker.io/library/none; ${list}`],
      ['localhost/none', list],
    ] as const) {
      const { code, stderr } = await terminal.run(['repo', 'show', typed])
      assert.deepEqual([code, stderr], [1, `error: there is no repository ${typed}\nhint: ${hint}\n`])
    }
  })

  test('exit with 2 for an invalid repository name', async () => {
    const { code, stderr } = await terminal.run(['repo', 'show', '../alpine'])
    assert.equal(code, 2)
    assert.equal(stderr, 'error: invalid repository name: it has a "." or ".." segment\n')
  })

  test('delete nothing without --yes', async () => {
    const { code, stdout, stderr } = await terminal.run(['repo', 'delete', GUN])
    assert.deepEqual([code, stdout], [1, ''])
    assert.equal(
      stderr,
      `error: nothing was deleted: ${GUN} has 3 signed tags
hint: clients that know it will not trust a new repository of this name until they forget it; to delete it anyway, add --yes
`,
    )
    await prints(['repo', 'list'], LIST)
  })

  test('delete the metadata with --yes and keep the keys', async () => {
    await prints(['repo', 'delete', GUN, '--yes', '--dry-run'], `would delete ${GUN}, which has 3 signed tags\n`)
    await prints(['repo', 'delete', GUN, '--yes'], `deleted ${GUN}\n`)
    await prints(['repo', 'list'], 'no repositories\n')
    await prints(['key', 'list', GUN], KEYS.replaceAll('in use', 'not in use'))
    assert.equal(await terminal.checked(), '0 repositories, 5 commits, 16 records: sound\n')
  })

  test('a name of a million characters does not widen the other rows', async () => {
    const gun = 'docker.io/acme/wide'
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(hosted, gun) })
    for (let number = 0; number < 600; number += 1) world.addTarget(`${number}`)
    const long = 'x'.repeat(1_000_000)
    world.addTarget(long)
    await world.publishFirst(hosted)
    for (const command of ['tag list', 'repo show']) {
      const { code, stdout, stderr } = await terminal.run([...command.split(' '), gun])
      assert.deepEqual([code, stderr], [0, ''])
      assert.ok(stdout.includes(`${long}  sha256:`))
      assert.ok(stdout.length < 2_000_000, `${command} prints ${stdout.length} characters`)
    }
  })
})
