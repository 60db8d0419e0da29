import assert from 'node:assert/strict'
import { access, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { checkStore } from '../../src/admin/check.ts'
import { addUser } from '../../src/admin/users.ts'
import { Terminal } from '../cli/terminal.ts'

const ROUNDS = Number(process.env['KILL_CYCLES'] ?? 4)

test('a start with committed data but no keys and anchor is refused and creates nothing', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  await (await terminal.host()).end()
  await terminal.ask(addUser, { name: 'alice', grants: [] })
  await rm(terminal.path('keys'), { recursive: true })
  await assert.rejects(terminal.serve(), /error: there is a store in data, but no keyring in keys\nhint: restore/)
  await assert.rejects(access(terminal.path('keys')), { code: 'ENOENT' })
})

test(`${ROUNDS} times two first starts at once: one serves a sound store, the other is refused`, async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(['data', 'keys'].map((name) => rm(terminal.path(name), { recursive: true, force: true })))
    const starts = [0, 1].map(async (number) => {
      await pause(number * 10 * round)
      return terminal.serve(['--quiet'])
    })
    const [one, other] = await Promise.allSettled(starts)
    const [serving, refused] = one?.status === 'fulfilled' ? [one, other] : [other, one]
    assert.ok(serving?.status === 'fulfilled' && refused?.status === 'rejected', `round ${round}`)
    assert.match(String(refused.reason), /error: another process uses the database in data\n/)
    await terminal.ask(addUser, { name: 'alice', grants: [] })
    assert.equal(await serving.value.end(), 0)
    const again = await terminal.host()
    const { commits, findings } = await terminal.ask(checkStore, {})
    assert.deepEqual([commits, findings], [1, []])
    await again.end()
  }
})
