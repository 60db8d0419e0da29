import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { pinRepository } from '../../src/admin/repositories.ts'
import { exchange } from '../support/exchange.ts'
import { asOwner, makeRootKeys } from '../support/owner.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'
import type { Hosted } from './hosted.ts'
import { Terminal } from './terminal.ts'

const [ONE, OTHER, BY_TWO] = ['docker.io/acme/one', 'docker.io/acme/other', 'docker.io/acme/two']

describe('repo pin', () => {
  let terminal: Terminal
  let server: Hosted

  before(async () => {
    terminal = await Terminal.open()
    server = await terminal.host()
    await writeFile(terminal.path('pass'), 'a passphrase for all\n', { mode: 0o600 })
    await makeRootKeys(terminal, 'pass', 'alice', 'bob')
    await asOwner(terminal, 'pass', async ({ create, createWith }) => {
      await create(ONE, 'alice')
      await create(OTHER, 'alice')
      await createWith(BY_TWO, ['alice', 'bob'], { threshold: 2 })
    })
  })
  after(() => terminal.close())

  const prints: Terminal['prints'] = (...typed) => terminal.prints(...typed)
  const idsOf = async (gun: string): Promise<string[]> =>
    (await terminal.ask(pinRepository, { gun })).keys.map(({ certificateId }) => certificateId)

  test('says what must sign root, and the commands for each client', async () => {
    await prints(
      `repo pin ${BY_TWO}`,
      `${BY_TWO}: root version 1; 2 of 2 keys must sign

  CERTIFICATE ID                                                    KEY                 CERTIFICATE ENDS
  ID  SHORTENED-ID ecdsa  YYYY-MM-DD (N days)
  ID  SHORTENED-ID ecdsa  YYYY-MM-DD (N days)

To have clients start from this root, not from the first one that they see:
  countersign repo pin ${BY_TWO} --for docker       root.json, for ~/.docker/trust/tuf/${BY_TWO}/metadata
  countersign repo pin ${BY_TWO} --for notary       trust_pinning, for ~/.notary/config.json
  countersign repo pin ${BY_TWO} --for connaisseur  trustRoots, for a validator in its configuration
`,
    )
    const { root, keys, ...rest } = JSON.parse(await prints(`repo pin ${BY_TWO} --json`, /^\{/)) as {
      root: string
      keys: { certificateId: string }[]
    }
    assert.deepEqual(rest, { gun: BY_TWO, version: 1, threshold: 2 })
    assert.equal((JSON.parse(root) as { signed: { version: number } }).signed.version, 1)
    assert.deepEqual(
      keys.map(({ certificateId }) => certificateId),
      await idsOf(BY_TWO),
    )
  })

  test('for docker, prints root.json byte for byte', async () => {
    const { body } = await exchange(server, { path: tufPath(ONE, 'root.json') })
    assert.equal(await prints(`repo pin ${ONE} --for docker`, /^\{"signed":/), body.toString())
  })

  test('for notary, pins the certificates of all repositories that a pattern names', async () => {
    const printed = await prints(
      'repo pin docker.io/acme/o* --all --for notary',
      /^error: .* is not a repository pattern/,
      2,
    )
    assert.equal(printed, '')
    const text = await prints('repo pin docker.io/acme/* --all --for notary', /^\{/)
    assert.deepEqual(JSON.parse(text), {
      trust_pinning: {
        disable_tofu: true,
        certs: { [ONE]: await idsOf(ONE), [OTHER]: await idsOf(OTHER), [BY_TWO]: await idsOf(BY_TWO) },
      },
    })
  })

  test('for Connaisseur, each key once; a single one is the default', async () => {
    const KEY = ' {2}key: \\|\n {4}-----BEGIN PUBLIC KEY-----\n(?: {4}[\\w+/=]+\n)+ {4}-----END PUBLIC KEY-----\n'
    await prints(`repo pin ${OTHER} --for connaisseur`, new RegExp(`^trustRoots:\n- name: default\n${KEY}$`))
    const named = `- name: SHORTENED-ID\n${KEY}`
    await prints('repo pin * --all --for connaisseur', new RegExp(`^trustRoots:\n${named}${named}$`))
  })

  test('lists the repositories of a pattern', async () => {
    const table = ['REPOSITORY            ROOT  CERTIFICATE IDS', `${ONE}    1     1 of ID`, `${OTHER}  1     1 of ID`]
    await prints('repo pin * --all', `${[...table, `${BY_TWO}    1     2 of ID, ID`].join('\n')}\n`)
    const rows = JSON.parse(await prints('repo pin * --all --json', /^\[/)) as { gun: string }[]
    assert.deepEqual(
      rows.map(({ gun }) => gun),
      [ONE, OTHER, BY_TWO],
    )
  })

  test('refuses what no client could use', async () => {
    await prints('repo pin docker.io/acme/no', /^error: there is no repository docker\.io\/acme\/no\nhint: /, 1)
    await prints('repo pin * --for docker', /^error: \* names many repositories\nhint: add --all\n$/, 2)
    await prints(
      'repo pin * --all --for docker',
      'error: each repository has a root.json of its own\nhint: name one repository, without --all\n',
      2,
    )
    await prints(`repo pin ${ONE} --for portieris`, /^error: .* Allowed choices are docker, notary, connaisseur\./, 2)
    await prints(`repo pin ${ONE} --for notary --json`, /^error: .* cannot be used with option '--json'/, 2)
  })

  test('for docker, prints the bytes that the snapshot vouches for, also if a terminal would not show them', async () => {
    const gun = 'docker.io/odd/\u202egnp\u3164'
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
    Object.assign(world.root, { 'x-note': 'a\u202eb' })
    await world.publishFirst(server)
    assert.equal(await prints(`repo pin ${gun} --for docker`, /"x-note":"a.b"/), String(world.files.get('root')))
    const shown = await prints(`repo pin ${gun}`, /^docker\.io/)
    assert.ok(shown.startsWith(String.raw`docker.io/odd/\u{202e}gnp\u{3164}: root version 1`), shown)
    assert.doesNotMatch(shown, /[\u202e\u3164]/)
  })
})
