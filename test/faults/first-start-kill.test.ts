import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Terminal } from '../cli/terminal.ts'
import { COMMAND } from '../support/server-process.ts'

/** The number of kills, spread over the duration of a first start. */
const KILLS = Number(process.env['KILL_CYCLES'] ?? 10)

test(`${KILLS} kills during first starts: the next start completes each`, async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  const began = performance.now()
  await (await terminal.serve()).end()
  const whole = performance.now() - began
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await Promise.all(['data', 'keys'].map((name) => rm(terminal.path(name), { recursive: true, force: true })))
    const child = spawn(COMMAND, ['serve'], {
      cwd: terminal.directory,
      env: terminal.environment,
      stdio: 'ignore',
    })
    const gone = once(child, 'exit')
    // In the first half the program is still being loaded and nothing is written.
    await pause(whole / 2 + (whole / 2) * (kill / KILLS))
    child.kill('SIGKILL')
    await gone
    await assert.doesNotReject(
      terminal.host().then((server) => server.end()),
      `killed after ${kill}/${KILLS}`,
    )
  }
  assert.match(await terminal.checked(), /: sound\n$/)
})
