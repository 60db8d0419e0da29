import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { unsnap } from '../../src/store/snappy.ts'
import { namedIn, placesIn } from '../../src/store/table-file.ts'
import { exchange } from '../support/exchange.ts'
import { countersign, freePort, ServerProcess } from '../support/server-process.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

const GUNS = Array.from({ length: 12 }, (_, number) => `example.org/r${number}`)

const ROLE = 'targets/releases'

/** How many repositories' delegated targets can be read until the server dies. */
async function readAll(server: ServerProcess): Promise<number> {
  for (const [number, gun] of GUNS.entries()) {
    const answer = await exchange(server, { path: tufPath(gun, `${ROLE}.json`) }).catch(() => undefined)
    if (answer === undefined) return number
    assert.equal(answer.status, 200)
  }
  return GUNS.length
}

/** Harm a block that holds nothing but delegated targets: entries whose keys are too short. @returns the table's name */
async function harm(data: string): Promise<string> {
  for (const name of (await readdir(data)).filter((each) => each.endsWith('.ldb'))) {
    const table = await readFile(join(data, name))
    const block = placesIn(table, namedIn(table).index).find(({ at, bytes }) => {
      const text = table[at + bytes] === 1 ? unsnap(table.subarray(at, at + bytes)).toString('latin1') : ''
      return text.includes(ROLE) && text.includes('"Targets"') && !text.includes('"Root"')
    })
    if (block === undefined) continue
    const zeros = Buffer.alloc(block.bytes + 1)
    // One entry that shares nothing, at the beginning; and not packed.
    zeros.writeUInt32LE(1, block.bytes - 4)
    await using file = await open(join(data, name), 'r+')
    await file.write(zeros, 0, zeros.length, block.at)
    return name
  }
  throw new Error('no such block')
}

test('a table that ends the process that reads it: it is named, no command reads it, and repair makes all whole', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-damaged-'))
  const server = new ServerProcess(directory, await freePort())
  const servers = [server]
  t.after(async () => {
    for (const each of servers) await each.end('SIGKILL')
    await rm(directory, { recursive: true })
  })
  await server.start()
  for (const gun of GUNS) {
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
    world.delegate(ROLE, [makeKey('ecdsa')])
    // So large that each has a block of its own.
    for (const role of ['targets', ROLE]) for (let tag = 0; tag < 60; tag += 1) world.addTarget(`t${tag}`, role)
    await world.publishFirst(server)
    await world.publish(server, ROLE)
  }
  const type = (...words: string[]): ReturnType<typeof countersign> => countersign(words, server.environment)
  assert.equal((await type('backup', join(directory, 'backup'))).code, 0)
  // What was in the log is in a table then.
  await server.end('SIGTERM')
  await server.start()
  await server.end('SIGTERM')
  const name = await harm(join(directory, 'data'))

  await server.start()
  assert.ok((await readAll(server)) < GUNS.length)
  assert.equal(await server.died(), 'SIGABRT')
  await server.start()
  const damaged = new RegExp(
    `"reason":"(the table ${name} is damaged: 1 of \\d+ blocks is not as written, and may end the process that reads it)"`,
  )
  const [before = ''] = server.log.split('"msg":"ready"')
  const [, reason = ''] = damaged.exec(before) ?? []
  assert.notEqual(reason, '', 'it is told before the database is opened')

  const beside = await type('check')
  assert.match(beside.stdout, new RegExp(`^error: ${reason}\nerror: no record was looked at, .+: 2 errors\n$`, 's'))
  assert.equal(beside.code, 1)
  await server.end('SIGKILL')
  const alone = await type('check')
  assert.deepEqual([alone.code, alone.stderr.split('\n')[0]], [2, `error: ${reason}`])
  assert.match(alone.stderr, /^hint: try "countersign repair DIRECTORY"/m)

  const repaired = new ServerProcess(join(directory, 'repaired'), server.port)
  const repair = await type('repair', repaired.directory, '--from', join(directory, 'backup'))
  assert.equal(repair.code, 0, repair.stdout + repair.stderr)
  servers.push(repaired)
  await repaired.start()
  assert.equal(await readAll(repaired), GUNS.length)
})
