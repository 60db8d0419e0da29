import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { listRootKeys } from '../../src/admin/root-keys.ts'
import { showRepository } from '../../src/admin/repositories.ts'
import { asOwner } from '../support/owner.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/vault'
const OUT = '--key-passphrase-file pass'

describe('two persons whose root keys are offline', () => {
  let terminal: Terminal
  const ids: Record<string, string> = {}

  before(async () => {
    terminal = await Terminal.open()
    await terminal.host()
    await writeFile(terminal.path('pass'), 'the passphrase of all\n', { mode: 0o600 })
    await asOwner(terminal, 'pass', async ({ makeRootKey, createWith }) => {
      for (const name of ['alice', 'bob', 'carol']) await makeRootKey(name)
      await createWith(GUN, ['alice', 'bob'], { threshold: 2 })
    })
    for (const row of await terminal.ask(listRootKeys, {})) if ('keyId' in row) ids[row.name] = row.keyId.slice(0, 12)
    for (const name of ['alice', 'bob']) {
      await prints(`root export ${name} ${name}.key --passphrase-file pass ${OUT} --remove`, /is offline now/)
    }
    await prints(`root export carol carol.key --passphrase-file pass ${OUT}`, /^wrote/)
  })
  after(() => terminal.close())

  const prints: Terminal['prints'] = (...typed) => terminal.prints(...typed)

  async function certificates(): Promise<string[]> {
    const [root] = (await terminal.ask(showRepository, { gun: GUN })).roles
    return root?.keys.map(({ certificateEnds }) => certificateEnds ?? '') ?? []
  }

  test('each is told who has to sign after them', async () => {
    await prints(`key rotate ${GUN} timestamp --stage`, /waits for signatures/)
    await prints(`root show ${GUN} --out both.json`, /^wrote both\.json/)
    await prints(`root show ${GUN} --out copy.json`, /^wrote copy\.json/)
    const wrong = await terminal.run(`root sign both.json --key carol.key ${OUT}`.split(' '))
    const either = [`${ids['alice']}, ${ids['bob']}`, `${ids['bob']}, ${ids['alice']}`]
    assert.ok(
      either
        .map((who) => `error: carol.key is not a root key of ${GUN}\nhint: still to sign: ${who}\n`)
        .includes(wrong.stderr),
      wrong.stderr,
    )
    const publish = `take it back to the server: countersign root publish ${GUN} both.json\n`
    const first = await terminal.run(`root sign both.json --key alice.key ${OUT}`.split(' '))
    const others = `\nstill to sign: ${ids['bob']}\nhave them sign this file, or ${publish}`
    assert.ok(first.stdout.endsWith(others), first.stdout)
    // Each may bring a copy of their own.
    await prints(`root sign copy.json --key alice.key ${OUT}`, /^signed this root of /)
    await prints(
      `root publish ${GUN} copy.json --dry-run`,
      /^would take the signatures in copy\.json; others are still to sign\n[^]* alice \(offline\): signed\n/,
      1,
    )
    const taken = await terminal.run(`root publish ${GUN} copy.json --json`.split(' '))
    assert.deepEqual(taken.code, 1)
    assert.partialDeepStrictEqual(JSON.parse(taken.stdout), { gun: GUN, version: null, staged: { complete: false } })
    const last = await terminal.run(`root sign both.json --key bob.key ${OUT}`.split(' '))
    assert.match(last.stdout, new RegExp(` {2}timestamp {2}1 of [0-9a-f]{64}\n${publish}$`))
    await prints(
      'root publish docker.io/acme/other both.json',
      `error: both.json holds a root of ${GUN}, not of docker.io/acme/other\nhint: countersign root publish ${GUN} both.json\n`,
      2,
    )
    await prints(`root publish ${GUN} both.json`, `published root version 2 of ${GUN}\n`)
    await prints(
      `root publish ${GUN} both.json`,
      `error: no root of ${GUN} waits for signatures\nhint: the one in both.json was published or discarded, ` +
        `or another took its version: "countersign audit --gun ${GUN}" says which\n`,
      1,
    )
  })

  test('one of them is replaced, and the key of the other stays away from the server', async () => {
    const [kept] = await certificates()
    const command = `key rotate ${GUN} root --root-key alice carol`
    await prints(
      `${command} --plan`,
      /it would wait for signatures: .*\n {2}from then on each root is signed by 2 of:\n {4}ID alice\n {4}ID carol\n(?!.*cannot be done)/s,
      1,
    )
    await prints(`${command} --stage --passphrase-file pass`, /waits for signatures/)
    await prints(`root show ${GUN} --out three.json`, /^wrote three\.json/)
    for (const name of ['alice', 'bob', 'carol']) {
      await prints(`root sign three.json --key ${name}.key ${OUT}`, /^signed this root of /)
    }
    await prints(`root publish ${GUN} three.json`, `published root version 3 of ${GUN}\n`)
    assert.ok((await certificates()).includes(kept ?? 'none'))
    await prints(
      `key rotate ${GUN} timestamp --plan`,
      /signed by 2 of:\n(?: {4}ID (?:alice \(offline\)|carol)\n){2}/,
      1,
    )
    assert.match(await terminal.checked(), /: sound\n$/)
  })

  test('a certificate is renewed with its key only', async () => {
    await prints(
      `key rotate ${GUN} root --renew --plan`,
      /cannot be done: the root key alice is offline: "countersign root import" it first\n$/,
      1,
    )
  })

  test('the same root keys under another threshold keep their certificates, so that pins stay good', async () => {
    const pins = /clients that pin root certificates/
    const same = await terminal.run(
      `key rotate ${GUN} root --root-key alice carol --root-threshold 1 --plan`.split(' '),
    )
    assert.doesNotMatch(same.stdout, pins)
    await prints(`key rotate ${GUN} root --root-key alice --root-threshold 1 --plan`, pins, 1)
  })
})
