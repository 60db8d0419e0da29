import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listenOnSocket } from '../../src/http/admin/socket.ts'

test('only its owner can ever open the control socket, whatever the umask', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-socket-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'control.sock')
  const umask = process.umask(0)
  t.after(() => process.umask(umask))
  const modes = new Set<number>()
  const look = (): void => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found !== undefined) modes.add(found.mode & 0o777)
  }
  // The server asks for the callback just before it listens: the queued look then runs between listening and its event.
  const callback = (): RequestListener => {
    queueMicrotask(look)
    return () => undefined
  }
  const close = await listenOnSocket(path, { callback }, 1)
  t.after(close)
  look()
  assert.equal(process.umask(), 0)
  assert.deepEqual([...modes], [0o600])
})
