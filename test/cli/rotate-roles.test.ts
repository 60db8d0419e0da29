import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { listKeys } from '../../src/admin/keys.ts'
import { showRepository } from '../../src/admin/repositories.ts'
import { discardRoot } from '../../src/admin/roots.ts'
import { signTag } from '../../src/admin/tags.ts'
import { fetchFrom, ReferenceClient } from '../support/reference-client.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { createRepositories, makeRootKeys } from '../support/owner.ts'
import type { Hosted } from './hosted.ts'
import { Terminal } from './terminal.ts'

const [APP, WEB, THEIRS] = ['docker.io/acme/app', 'docker.io/acme/web', 'docker.io/acme/theirs'] as const
/** Its owner signs the snapshot, too. */
const OWN = 'docker.io/acme/own'
const DIGEST = `sha256:${'ab'.repeat(32)}`
const PASS = '--passphrase-file pass'

describe('rotating several roles with one root', () => {
  let terminal: Terminal
  let server: Hosted
  /** Clients of APP, one for each root version, that have read nothing since. */
  const clients: ReferenceClient[] = []

  before(async () => {
    terminal = await Terminal.open()
    server = await terminal.host()
    await writeFile(terminal.path('pass'), 'the passphrase of root\n', { mode: 0o600 })
    await createRepositories(terminal, 'pass', APP, WEB)
    for (const gun of [APP, WEB]) await terminal.ask(signTag, { gun, tag: 'v1', digest: DIGEST, size: 7 })
    const serverKeys = keysFrom(server, THEIRS)
    const theirs = await TrustWorld.create({ gun: THEIRS, now: Date.now(), serverKeys, snapshot: 'server' })
    await theirs.publishFirst(server)
  })
  after(() => terminal.close())

  const prints: Terminal['prints'] = (...typed) => terminal.prints(...typed)

  const client = (): ReferenceClient => new ReferenceClient(APP, fetchFrom(server, APP), Date.now)

  /** Adds a client that knows the current state. */
  async function cache(): Promise<void> {
    clients.push(client())
    await clients.at(-1)?.update()
  }

  async function stateOf(gun: string): Promise<{ versions: Record<string, number>; keys: Record<string, string> }> {
    const { roles } = await terminal.ask(showRepository, { gun })
    return {
      versions: Object.fromEntries(roles.map(({ role, version }) => [role, version])),
      keys: Object.fromEntries(roles.map(({ role, keys }) => [role, keys.map(({ id }) => id).join(' ')])),
    }
  }

  /** Runs the rotation. @returns the roles with new keys, after checking that all earlier clients follow */
  async function changes(work: () => Promise<unknown>): Promise<{ roles: string[]; versions: Record<string, number> }> {
    await cache()
    const before = await stateOf(APP)
    await work()
    const now = await stateOf(APP)
    for (const each of [client(), ...clients.splice(0)]) {
      const { versions, targets } = await each.update()
      assert.deepEqual(versions, now.versions)
      assert.deepEqual(
        targets.map(({ name }) => name),
        ['v1'],
      )
    }
    const listed = await terminal.ask(listKeys, { gun: APP })
    const others = Object.keys(now.keys).filter((role) => now.keys[role] !== before.keys[role])
    for (const role of others.filter((each) => each !== 'root')) {
      const inUse = (id = ''): boolean | undefined => listed.find(({ keyId }) => keyId === id)?.current
      assert.deepEqual([inUse(before.keys[role]), inUse(now.keys[role])], [false, true], role)
    }
    return { roles: others, versions: now.versions }
  }

  test('roles in any order are rotated once each with one root, and all documents are signed again', async () => {
    await prints(
      `key rotate ${APP} targets snapshot timestamp targets --plan`,
      `Rotating the keys of timestamp, snapshot and targets of ${APP}
  root version 2, signed by 1 of:
    ID root
  signed by the server with it: targets, snapshot, timestamp
  all clients follow, whichever root they have cached
`,
    )
    const done = `rotated the keys of timestamp, snapshot and targets of ${APP}: root version 2\n`
    const { roles, versions } = await changes(() =>
      prints(`key rotate ${APP} targets snapshot timestamp targets ${PASS}`, done),
    )
    assert.deepEqual(roles, ['targets', 'snapshot', 'timestamp'])
    assert.deepEqual(versions, { root: 2, targets: 3, snapshot: 3, timestamp: 3 })
    await prints(`key rotate ${APP} timestamp --plan`, /^Rotating the timestamp key of \S+\n {2}root version 3, /)
    const again = `rotated the timestamp key of ${APP}: root version 3\n`
    assert.deepEqual(
      (await changes(() => prints(`key rotate ${APP} timestamp timestamp ${PASS}`, again))).roles,
      ['timestamp'],
      'a repeated role counts once',
    )
  })

  test('new root keys may be part of the same root', async () => {
    await makeRootKeys(terminal, 'pass', 'second')
    await prints(
      `key rotate ${APP} snapshot timestamp --renew`,
      'error: --root-key, --root-threshold and --renew say nothing about timestamp and snapshot\n' +
        'hint: these options are only for: key rotate GUN root\n',
      2,
    )
    await prints(`key rotate ${APP} timestamp root ${PASS}`, /^error: choose the root keys/, 2)
    const command = `key rotate ${APP} timestamp root targets --root-key second`
    await prints(
      `${command} --plan`,
      `Rotating the keys of root, timestamp and targets of ${APP}
  root version 4, signed by 1 of:
    ID root
  from then on each root is signed by 1 of:
    ID second
  signed by the server with it: targets, snapshot, timestamp
  all clients follow, whichever root they have cached
  breaks: clients that pin root certificates (trust_pinning) refuse the new root until they pin its certificate too
  breaks: clients that pin root keys (Connaisseur) refuse the roots after it until they pin the new ones
  breaks: docker before 17.10 and notary before 0.5.1 refuse the roots after it where they have not read this one
  breaks: whoever holds only the former root key can no longer change this repository
`,
    )
    const done = `rotated the keys of root, timestamp and targets of ${APP}: root version 4\n`
    const { roles, versions } = await changes(() => prints(`${command} ${PASS}`, done))
    assert.deepEqual(roles, ['root', 'targets', 'timestamp'])
    assert.deepEqual(versions, { root: 4, targets: 4, snapshot: 5, timestamp: 5 })
    const title = /^Renewing the root certificates and rotating the snapshot key of /
    await prints(`key rotate ${APP} root snapshot --renew --plan`, title)
    await prints(`key rotate ${APP} root snapshot --renew --stage ${PASS}`, /waits for signatures/)
    await prints('root waiting', / local {2}\S+ +other root keys or certificates, and a new snapshot key\n$/)
    await terminal.ask(discardRoot, { gun: APP })
  })

  test('the root may be signed elsewhere', async () => {
    const waits = `the next root of ${APP} waits for signatures; until then nothing changes: countersign root show ${APP}\n`
    await prints(
      `root export second second.key --passphrase-file pass --key-passphrase-file pass --remove`,
      /is offline now/,
    )
    const { roles, versions } = await changes(async () => {
      await prints(`key rotate ${APP} snapshot timestamp --stage`, waits)
      await prints('root waiting', / local {2}second \(offline\) {2}new keys of timestamp and snapshot\n$/)
      const first = `"countersign root sign ${APP}" or "countersign root discard ${APP}" first`
      const obstacle = `a root is already waiting for signatures, new keys of timestamp and snapshot: ${first}`
      const [plan] = JSON.parse(await prints(`key rotate ${APP} targets timestamp --plan --json`, /./, 1)) as object[]
      assert.partialDeepStrictEqual(plan, { roles: ['timestamp', 'targets'], obstacles: [obstacle] })
      await prints(`root show ${APP} --out staged.json`, /^wrote/)
      await prints('root sign staged.json --key second.key --key-passphrase-file pass', /^signed this root/)
      // As in "root sign", where the file is enough.
      const both = `countersign root publish ${APP} staged.json`
      const swapped = `error: staged.json is a file: the repository's name comes first\nhint: ${both}\n`
      await prints('root publish staged.json', swapped, 2)
      await prints(`root publish ${APP} staged.json`, `published root version 5 of ${APP}\n`)
    })
    assert.deepEqual(roles, ['snapshot', 'timestamp'])
    assert.deepEqual(versions, { root: 5, targets: 4, snapshot: 6, timestamp: 6 })
    await prints(
      `root import second second.key --passphrase-file pass --key-passphrase-file pass`,
      /^took the root key second/,
    )
  })

  test('in a fleet, a repository in which one role cannot be rotated rotates none, and says which can', async () => {
    const all = 'key rotate docker.io/acme/* timestamp snapshot targets --all'
    const { stdout } = await terminal.run([...all.split(' '), '--plan', '--json'])
    assert.partialDeepStrictEqual(JSON.parse(stdout), [
      { gun: APP, roles: ['timestamp', 'snapshot', 'targets'], obstacles: [] },
      { gun: THEIRS, obstacles: ['the targets key is with the publisher, who has to rotate it'] },
      { gun: WEB, obstacles: [] },
    ])
    const fleet = await terminal.run([...all.split(' '), ...PASS.split(' ')])
    assert.equal(fleet.code, 1)
    assert.deepEqual(
      fleet.stdout
        .trimEnd()
        .split(/\n/)
        .map((line) => line.replaceAll(/ +/g, ' ')),
      [
        'REPOSITORY STATE ROOT',
        `${APP} rotated 6`,
        `${THEIRS} failed`,
        `${WEB} rotated 2`,
        '3 repositories: 2 rotated, 1 failed',
        `error: ${THEIRS}: the targets key of ${THEIRS} is with its publisher, not with the server`,
        `hint: its owner rotates it: notary key rotate ${THEIRS} targets; without it: countersign key rotate ${THEIRS} timestamp snapshot`,
      ],
    )
    await prints(`root show ${THEIRS}`, /no root of/, 1)
    await prints(`key rotate ${THEIRS} timestamp snapshot ${PASS}`, /waits for signatures/, 1)
    await prints('root waiting', / local {2}SHORTENED-ID {3}new keys of timestamp and snapshot\n$/)
    await prints(
      `key rotate ${WEB} timestamp target`,
      /^error: target is not a role that can be rotated\nhint: after .* root, /,
      2,
    )
    await prints(
      `key rotate timestamp ${WEB}`,
      /^error: \S+web is not a role .*\nhint: after the repository's name /,
      2,
    )
    assert.match(await terminal.checked(), /: sound\n$/)
  })

  test('server-managed rotates, in each repository of a fleet, the roles whose keys the server holds', async () => {
    await terminal.ask(discardRoot, { gun: THEIRS })
    const serverKeys = keysFrom(server, OWN)
    const own = await TrustWorld.create({ gun: OWN, now: Date.now(), serverKeys, snapshot: 'client' })
    await own.publishFirst(server)
    const all = 'key rotate docker.io/acme/* server-managed --all'
    const planned = await terminal.run([...all.split(' '), '--plan', '--json'])
    const every = ['timestamp', 'snapshot', 'targets']
    const withPublisher = 'the snapshot key is with the publisher, who can hand it over: notary key rotate'
    assert.partialDeepStrictEqual(JSON.parse(planned.stdout), [
      { gun: APP, roles: every, obstacles: [] },
      { gun: OWN, roles: ['timestamp'], obstacles: [`${withPublisher} ${OWN} snapshot -r`] },
      { gun: THEIRS, roles: ['timestamp', 'snapshot'], obstacles: [] },
      { gun: WEB, roles: every, obstacles: [] },
    ])
    const fleet = await terminal.run([...all.split(' '), ...PASS.split(' '), '--json'])
    assert.equal(fleet.code, 1)
    assert.partialDeepStrictEqual(JSON.parse(fleet.stdout), [
      { gun: APP, roles: every, state: 'rotated', version: 7 },
      { gun: OWN, state: 'failed', error: `the snapshot key of ${OWN} is with its publisher, not with the server` },
      { gun: THEIRS, roles: ['timestamp', 'snapshot'], state: 'waits for signatures' },
      { gun: WEB, roles: every, state: 'rotated', version: 3 },
    ])
    const renewed = /^renewed the root certificates and rotated the keys of timestamp, snapshot and targets of /
    await prints(`key rotate ${WEB} server-managed root --renew ${PASS}`, renewed)
    await prints(`key rotate ${WEB} server-managed --renew`, /^error: .* say nothing about server-managed\n/, 2)
    await prints(`key rotate docker.io/acme/none server-managed`, /^error: there is no repository/, 1)
    assert.match(await terminal.checked(), /: sound\n$/)
  })
})
