import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ReferenceClient } from '../support/reference-client.ts'
import { freePort } from '../support/free-port.ts'
import { countersign, ServerProcess } from '../support/server-process.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { upload, type Part } from '../support/upload.ts'

const CYCLES = Number(process.env['KILL_CYCLES'] ?? 25)
const PUBLISHERS = 4
/** The most milliseconds that publishers work before a kill, once they have published. */
const WORK = 250

/** Publishes until the server is gone; remembers what was acknowledged and what was not answered. */
class Publisher {
  readonly world: TrustWorld
  readonly reader: ReferenceClient
  acknowledged = 1
  /** Sent without an answer: may be stored or not. */
  unanswered: Part[] | undefined
  /** Publishes that were acknowledged. */
  publishes = 0

  constructor(world: TrustWorld, reader: ReferenceClient) {
    this.world = world
    this.reader = reader
  }

  async work(server: ServerProcess): Promise<void> {
    for (;;) {
      // Repeating an unanswered publish byte for byte must succeed, whether or not it arrived.
      if (this.unanswered === undefined) {
        this.world.addTarget(`t${this.publishes}`)
        this.unanswered = this.world.nextParts('targets')
      }
      try {
        const answer = await upload(server, this.world.gun, this.unanswered)
        assert.equal(answer.status, 200, answer.body.toString())
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        return
      }
      this.acknowledged = this.world.targets.version
      this.unanswered = undefined
      this.publishes += 1
    }
  }

  /** Asserts that a reader who remembers all it saw can go on, and sees all that was acknowledged. */
  async verify(): Promise<void> {
    const { versions, targets } = await this.reader.update()
    const version = versions['targets'] ?? 0
    assert.ok(version >= this.acknowledged, `targets ${version} < acknowledged ${this.acknowledged}`)
    assert.ok(version <= this.world.targets.version)
    assert.equal(
      targets.length,
      Object.keys(this.world.targets.targets).length - (this.world.targets.version - version),
    )
  }
}

test(`${CYCLES} times SIGKILL under ${PUBLISHERS} publishers: no acknowledged publish is lost, no partial one is seen`, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-kill-'))
  const server = new ServerProcess(directory, await freePort())
  t.after(async () => {
    await server.end('SIGKILL')
    await rm(directory, { recursive: true })
  })
  await server.start()
  const publishers: Publisher[] = []
  for (let number = 0; number < PUBLISHERS; number += 1) {
    const gun = `example.org/kill-${number}`
    // Half of the publishers sign the snapshot; for the others the server does.
    const snapshot = number % 2 === 0 ? 'client' : 'server'
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun), snapshot })
    await world.publishFirst(server)
    publishers.push(new Publisher(world, new ReferenceClient(gun, server, Date.now)))
  }
  const acknowledged = (): number => publishers.reduce((sum, { publishes }) => sum + publishes, 0)
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const working = publishers.map((publisher) => publisher.work(server))
    await pause(Math.random() * WORK)
    // On a busy machine a cycle might otherwise acknowledge nothing.
    await until('one publish for each cycle', () => acknowledged() > cycle)
    await server.end('SIGKILL')
    await Promise.all(working)
    await server.start()
    for (const publisher of publishers) await publisher.verify()
  }
  const running = await countersign(['check'], server.environment)
  assert.equal(running.code, 0, running.stdout + running.stderr)
  assert.equal(await server.end('SIGTERM'), 0)
  const stopped = await countersign(['check', '--json'], server.environment)
  assert.equal(stopped.code, 0, stopped.stdout)
  const { commits } = JSON.parse(stopped.stdout) as { commits: number }
  assert.ok(commits >= acknowledged())
  t.diagnostic(`${acknowledged()} publishes acknowledged, ${commits} commits`)
})
