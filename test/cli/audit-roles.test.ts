import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { auditJournal } from '../../src/admin/audit.ts'
import { addDelegation, removeDelegation } from '../../src/admin/delegations.ts'
import { makeSigner } from '../../src/admin/signers.ts'
import { signTag } from '../../src/admin/tags.ts'
import type { JournalEntry } from '../../src/store/store.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { createRepositories } from '../support/owner.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/app'
const DIGEST = `sha256:${'a1'.repeat(32)}`

test('audit says who may sign since when, what a key signed, and what was deleted with a repository', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  await terminal.host()
  await writeFile(terminal.path('pass'), 'the passphrase of all\n', { mode: 0o600 })
  const alice = makeKey('ecdsa')
  const pem = alice.publicKey.export({ type: 'spki', format: 'pem' })

  const type = async (command: string): Promise<string> => {
    const { code, stdout, stderr } = await terminal.run(command.split(' '))
    assert.equal(code, 0, `${command}: ${stderr}`)
    return stdout
  }
  const numbersOf = async (filter: { key?: string; digest?: string }): Promise<number[]> =>
    (await terminal.ask(auditJournal, { ...filter, after: 0 })).entries.map(({ number }) => number)
  const newest = async (): Promise<JournalEntry> => JSON.parse(await type('audit --json --limit 1')) as JournalEntry
  /** Returns the changed signers and tags of the newest entry. */
  const told = async (): Promise<string[]> => {
    const lines = (await type('audit --limit 1')).trimEnd().split('\n').slice(1)
    return lines.filter((line) => / may | -> /.test(line)).map((line) => line.replaceAll(/[0-9a-f]{12}/g, idName))
  }
  const names = new Map<string, string>([[alice.id.slice(0, 12), 'ALICE']])
  const idName = (id: string): string => names.get(id) ?? 'ID'

  await createRepositories(terminal, 'pass', GUN)
  const roles = ['root', 'snapshot', 'targets', 'timestamp']
  assert.deepEqual(
    await told(),
    roles.map((role) => `    ${role}: ${role === 'root' ? 'ID (key ID)' : 'ID'} may sign now`),
  )
  // Finds by the key id that its owner knows, though root names a certificate's id.
  const [rootKey] = JSON.parse(await type('root list --json')) as { keyId: string }[]
  const { number: made } = await newest()
  assert.deepEqual(await numbersOf({ key: rootKey?.keyId ?? '' }), [made])
  await terminal.ask(signTag, { gun: GUN, tag: 'v1', digest: DIGEST, size: 1 })
  assert.deepEqual(await told(), ['    v1: nothing -> sha256:ID (targets)'])

  await terminal.ask(addDelegation, { gun: GUN, name: 'alice', keys: [String(pem)] })
  assert.deepEqual(
    (await told()).toSorted(),
    ['targets/alice', 'targets/releases'].map((role) => `    ${role}: ALICE may sign now`),
  )
  const { keyIds } = await terminal.ask(makeSigner, { name: 'ci' })
  assert.equal((await numbersOf({ key: keyIds[0] ?? '' })).length, 1)
  await terminal.ask(addDelegation, { gun: GUN, name: 'ci' })
  await terminal.ask(removeDelegation, { gun: GUN, name: 'alice' })
  assert.deepEqual((await told()).toSorted(), [
    '    targets/alice: ALICE may not any more; no longer delegated',
    '    targets/releases: ALICE may not any more',
  ])
  const ofAlice = await numbersOf({ key: alice.id.slice(0, 12) })
  assert.equal(ofAlice.length, 2)
  const lines = (await type(`audit --json --key ${alice.id}`)).trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as JournalEntry).number),
    ofAlice,
  )
  const short = await terminal.run(['audit', '--key', 'a1'])
  assert.deepEqual([short.stderr, short.code], ['error: key: must be 8 to 64 hex digits of the key id\n', 2])

  await type(`key rotate ${GUN} targets --passphrase-file pass`)
  const { number, roles: changed = [] } = await newest()
  const [{ role, added, removed } = { role: '', added: [], removed: [] }] = changed
  const [fresh = ''] = added
  const [old = ''] = removed
  assert.deepEqual([role, changed.length], ['targets', 1])
  names.set(old.slice(0, 12), 'OLD').set(fresh.slice(0, 12), 'NEW')
  assert.deepEqual(await told(), ['    targets: NEW may sign now; OLD may not any more'])
  // The entries that made it, those of each document it signed, and the one that removed it.
  const ofOld = await numbersOf({ key: old })
  assert.equal(ofOld.at(-1), number)
  assert.ok(ofOld.length > 3)

  await type(`repo delete ${GUN} --yes`)
  assert.deepEqual(await told(), ['    v1: sha256:ID -> nothing (targets)'])
  assert.deepEqual((await numbersOf({ digest: DIGEST })).slice(1), [number + 1])
  const found = await terminal.run(['find', DIGEST])
  assert.equal(found.code, 1)
  assert.match(found.stdout, /docker\.io\/acme\/app:v1 +targets +\S+Z +\S+Z +local\n$/)
  assert.match(await terminal.checked(), /: sound\n$/)
})

test('text of a publisher cannot look like another entry', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  const server = await terminal.host()
  const owner = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
  await owner.publishFirst(server)
  const forged = '\n9  2026-11'
  // Paths with ASCII control characters are refused.
  owner.delegate('targets/releases', [makeKey('ecdsa')], { paths: ['in/\u00859  2026-11', '\u202egnp'] })
  owner.delegate('targets/nobody', [makeKey('ecdsa')], { paths: [] })
  const [key = makeKey('ecdsa')] = owner.signers.get('targets') ?? []
  owner.signers.set('targets', [key, { ...key, id: forged }])
  await owner.publish(server, 'targets')
  const { stdout } = await terminal.run(['audit', '--limit', '1'])
  assert.doesNotMatch(stdout, /^9/m)
  assert.match(stdout, /^ {4}targets 2, signed by [0-9a-f]{12}, \\u\{a\}9 {2}2026-11$/m)
  assert.match(stdout, /^ {4}targets\/releases: \w+ may sign now; only in\/\\u\{85\}9 {2}2026-11, \\u\{202e\}gnp$/m)
  assert.match(stdout, /^ {4}targets\/nobody: \w+ may sign now; no tags$/m)
})
