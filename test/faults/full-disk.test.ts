import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exchange, type Answer } from '../support/exchange.ts'
import { freePort } from '../support/free-port.ts'
import { countersign, ServerProcess } from '../support/server-process.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath, upload, type Part } from '../support/upload.ts'

const GUN = 'example.org/full'
/** Each read has its own connection, so that all threads get some. */
const READS = 12

/** Limits the size of the server's files: to the server that is a full disk, and the test needs no root. */
function limitFiles({ pid }: ServerProcess, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])
}

test('on a full disk reads continue and writes get 503; with space again, writes succeed', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-full-'))
  const server = new ServerProcess(directory, await freePort())
  t.after(async () => {
    await server.end('SIGKILL')
    await rm(directory, { recursive: true })
  })
  await server.start()
  const get = (path: string): Promise<Answer> => exchange(server, { path, headers: { connection: 'close' } })
  const world = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
  await world.publishFirst(server)
  const published = world.files.get('targets')
  const next = (name: string): Part[] => {
    world.addTarget(name)
    return world.nextParts('targets')
  }

  limitFiles(server, 4_096)
  const parts = next('v2')
  assert.equal((await upload(server, GUN, parts)).status, 503)
  for (let read = 0; read < READS; read += 1) {
    const { status, body } = await get(tufPath(GUN, 'targets.json'))
    assert.deepEqual([status, body], [200, published])
  }
  assert.equal((await upload(server, GUN, parts)).status, 503)
  const ready = await get('/healthz/ready')
  assert.equal(ready.status, 503)
  assert.match(ready.body.toString(), /"store":"a write failed: .*File too large; it cannot be reopened yet: EFBIG: /)
  const metrics = await get('/metrics')
  assert.equal(metrics.status, 200)
  assert.match(metrics.body.toString(), /^countersign_store_writable 0$/m)
  const checked = await countersign(['check'], server.environment)
  assert.equal(checked.code, 0, checked.stdout + checked.stderr)

  limitFiles(server, 'unlimited')
  await until('the server to be ready', async () => (await get('/healthz/ready')).status === 200)
  assert.equal((await upload(server, GUN, parts)).status, 200)
  await server.end('SIGKILL')
  await server.start()
  assert.deepEqual((await get(tufPath(GUN, 'targets.json'))).body, world.files.get('targets'))
  const afterwards = await countersign(['check'], server.environment)
  assert.equal(afterwards.code, 0, afterwards.stdout + afterwards.stderr)
})
