import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { auditJournal } from '../../src/admin/audit.ts'
import type { JournalEntry } from '../../src/store/store.ts'
import { asOwner } from '../support/owner.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/app'

test('audit says whether a waiting root was staged, signed, published or discarded', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  await terminal.host()
  await writeFile(terminal.path('pass'), 'the passphrase of all\n', { mode: 0o600 })

  async function type(command: string): Promise<string> {
    const { code, stdout, stderr } = await terminal.run(command.split(' '))
    assert.equal(code, 0, `${command}: ${stderr}`)
    return stdout
  }

  const pass = '--passphrase-file pass'
  await asOwner(terminal, 'pass', async ({ makeRootKey, create }) => {
    for (const name of ['alice', 'bob']) await makeRootKey(name)
    await create(GUN, 'alice')
  })
  const before = (await terminal.ask(auditJournal, { after: 0 })).entries.length
  // Only root keys change, so the server makes no key.
  await type(`key rotate ${GUN} root --root-key bob --stage ${pass}`)
  await terminal.run(`root sign ${GUN} --root-key alice ${pass}`.split(' '))
  await type(`root sign ${GUN} --root-key bob ${pass}`)
  await type(`key rotate ${GUN} timestamp --stage`)
  await type(`root discard ${GUN}`)
  await type(`key rotate ${GUN} snapshot --stage`)
  await type(`repo delete ${GUN} --yes`)

  const entries = (await type('audit --json'))
    .trimEnd()
    .split('\n')
    .slice(before)
    .map((line) => JSON.parse(line) as JournalEntry)
  const told = entries.map(({ kind, records }) => [kind, ...records.map(({ action }) => action)])
  assert.deepEqual(told, [
    ['record', 'staged'],
    ['record', 'signed'],
    ['record', 'signed'],
    ['publish', 'published'],
    ['key', 'staged'],
    ['record', 'discarded'],
    ['key', 'staged'],
    ['delete', 'discarded'],
  ])
  const lines = (await type('audit')).match(/(?<=staged-root docker\.io\/acme\/app: )\w+$/gm)?.slice(-told.length)
  assert.deepEqual(
    lines,
    told.map(([, action]) => action),
  )
  assert.match(await terminal.checked(), /: sound\n$/)
})
