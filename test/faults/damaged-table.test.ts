import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exchange } from '../support/exchange.ts'
import { freePort } from '../support/free-port.ts'
import { countersign, ServerProcess } from '../support/server-process.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'
import { unsnap } from '../../src/store/leveldb/snappy.ts'
import { namedIn, placesIn } from '../../src/store/leveldb/table-file.ts'

const GUNS = Array.from({ length: 12 }, (_, number) => `example.org/r${number}`)

const ROLE = 'targets/releases'

/** Reads the delegated targets of all repositories. @returns each status; undefined where the server died */
async function readAll(server: ServerProcess): Promise<(number | undefined)[]> {
  const answers: (number | undefined)[] = []
  for (const gun of GUNS) {
    const answer = await exchange(server, { path: tufPath(gun, `${ROLE}.json`) }).catch(() => undefined)
    answers.push(answer?.status)
  }
  return answers
}

/** Damages a block with delegated targets only, so that its keys are too short. @returns the table's name */
async function harm(data: string): Promise<string> {
  for (const name of (await readdir(data)).filter((each) => each.endsWith('.ldb'))) {
    const table = await readFile(join(data, name))
    const block = placesIn(table, namedIn(table).index).find(({ at, bytes }) => {
      const text = table[at + bytes] === 1 ? unsnap(table.subarray(at, at + bytes)).toString('latin1') : ''
      return text.includes(ROLE) && text.includes('"Targets"') && !text.includes('"Root"')
    })
    if (block === undefined) continue
    const zeros = Buffer.alloc(block.bytes + 1)
    // One entry at the start that shares nothing; uncompressed.
    zeros.writeUInt32LE(1, block.bytes - 4)
    await using file = await open(join(data, name), 'r+')
    await file.write(zeros, 0, zeros.length, block.at)
    return name
  }
  throw new Error('no such block')
}

test('after a damaged table crashed the server, the next start names it and serves the rest, and repair restores all', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-damaged-'))
  const server = new ServerProcess(directory, await freePort())
  const servers = [server]
  t.after(async () => {
    for (const each of servers) await each.end('SIGKILL')
    await rm(directory, { recursive: true })
  })
  await server.start()
  const worlds: TrustWorld[] = []
  for (const gun of GUNS) {
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
    world.delegate(ROLE, [makeKey('ecdsa')])
    // Large enough that each document has a block of its own.
    for (const role of ['targets', ROLE]) for (let tag = 0; tag < 60; tag += 1) world.addTarget(`t${tag}`, role)
    await world.publishFirst(server)
    await world.publish(server, ROLE)
    worlds.push(world)
  }
  const type = (...words: string[]): ReturnType<typeof countersign> => countersign(words, server.environment)
  assert.equal((await type('backup', join(directory, 'backup'))).code, 0)
  // Reopening moves the log into a table.
  await server.end('SIGTERM')
  await server.start()
  await until('the first look at the tables', async () =>
    (await exchange(server, { path: '/metrics' })).body.toString().includes('countersign_damaged_tables 0'),
  )
  const name = await harm(join(directory, 'data'))
  assert.ok((await readAll(server)).includes(undefined))
  assert.equal(await server.died(), 'SIGABRT')

  await server.start()
  const [before = ''] = server.log.split('"msg":"ready"')
  const text = `the table ${name} is damaged: 1 of \\d+ blocks is not as written`
  assert.match(
    before,
    new RegExp(`"reason":"${text}","msg":"the database is damaged"`),
    'the damage is logged before the database is opened',
  )
  const answers = await readAll(server)
  assert.deepEqual(answers.filter((status) => status !== 200).length, 1, answers.join())
  const lost = answers.findIndex((status) => status !== 200)
  for (const [number, world] of worlds.entries()) {
    if (number === lost) continue
    world.addTarget('later')
    await world.publish(server)
  }
  const beside = await type('check')
  assert.match(
    beside.stdout,
    new RegExp(`^error: the table ${name} is damaged: 1 of \\d+ blocks is not as written$`, 'm'),
  )
  assert.match(beside.stdout, new RegExp(`^error: ${GUNS[lost]}: the record .+ cannot be read$`, 'm'))
  assert.equal(beside.code, 1)
  await server.end('SIGTERM')

  const repaired = new ServerProcess(join(directory, 'repaired'), server.port)
  const repair = await type('repair', repaired.directory, '--from', join(directory, 'backup'))
  assert.equal(repair.code, 0, repair.stdout + repair.stderr)
  servers.push(repaired)
  await repaired.start()
  assert.deepEqual(
    await readAll(repaired),
    GUNS.map(() => 200),
  )
})

test('a start that does not even find the first record hints at repair, which does', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-damaged-'))
  const server = new ServerProcess(directory, await freePort())
  t.after(() => rm(directory, { recursive: true }))
  // Reopening moves the log into a table.
  for (let start = 0; start < 2; start += 1) {
    await server.start()
    await server.end('SIGTERM')
  }
  const data = join(directory, 'data')
  const [name = ''] = (await readdir(data)).filter((each) => each.endsWith('.ldb'))
  const table = await readFile(join(data, name))
  // The first byte of the key in the index, after three lengths: the block now seems to end before that record.
  const at = namedIn(table).index.at + 3
  table[at]! ^= 1 << (31 - Math.clz32(table[at]!))
  await writeFile(join(data, name), table)
  const type = (...words: string[]): ReturnType<typeof countersign> => countersign(words, server.environment)
  const { stderr } = await type('check')
  assert.match(
    stderr,
    /^error: \S+ holds no Countersign database\nhint: check the setting dataDirectory; .*"countersign repair /,
  )
  const { code, stdout } = await type('repair', join(directory, 'repaired'), '--dry-run')
  assert.equal(code, 0)
  assert.match(stdout, /^repaired: \S+\.ldb, 1 bit turned back$/m)
})
