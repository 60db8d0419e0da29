import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import * as fc from 'fast-check'
import { goServerMissing, NOTARY, startGoServer, type GoServer } from '../support/go-server.ts'
import { PublisherAt } from '../support/publisher-at.ts'
import { keysOf, randomStep, type RandomStep } from '../support/random-steps.ts'
import { ReferenceClient } from '../support/reference-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const run = promisify(execFile)
const skip = goServerMissing() ?? false
/** After each step a third of the clients in this process read; a client of Notary is started every so many steps. */
const NOTARY_EVERY = 8

/** The two servers, and Notary's client reading from ours. */
class Stage {
  readonly go: GoServer
  readonly here: TestServer
  accepted = 0
  refused = 0

  constructor(go: GoServer, here: TestServer) {
    this.go = go
    this.here = here
  }

  get caFile(): string {
    return join(this.go.directory, 'here.crt')
  }

  /** Returns what Notary's client lists, starting from the named cache directory. */
  async list(gun: string, cache: string): Promise<string> {
    const place = ['-s', this.here.url, '--tlscacert', this.caFile, '-d', join(this.go.directory, cache)]
    const { stdout } = await run(NOTARY, [...place, 'list', gun])
    return stdout.split('\n').toSorted().join('\n')
  }

  /** Takes the same steps on both servers; after each, clients read that last read after any earlier one. */
  async play(steps: readonly RandomStep[], snapshot: 'client' | 'server'): Promise<void> {
    const { go, here } = this
    const gun = `beside.example/${randomUUID()}`
    const ours = await PublisherAt.begin(here, gun, snapshot)
    const theirs = await PublisherAt.begin(go, gun, snapshot)
    const readers: ReferenceClient[] = []
    const caches: string[] = []
    for (const [index, step] of steps.entries()) {
      const keys = keysOf(step, gun)
      const [us, them] = [await ours.send(step, keys), await theirs.send(step, keys)]
      const what = `step ${index}: here ${us.said}, there ${them.said}`
      const readThere = (): Promise<unknown> => new ReferenceClient(gun, go, Date.now).update()
      // We may be stricter only where clients could not read the result; from then on the two states differ.
      if (!us.accepted && them.accepted) return assert.rejects(readThere, what)
      // Repeating an upload is no error here.
      assert.ok(us.accepted === them.accepted || step.sent === 'again', what)
      if (them.late && !us.accepted) assert.ok(us.late, what)
      if (us.accepted && them.accepted) for (const { keep } of [us, them]) keep()
      this.accepted += us.accepted ? 1 : 0
      this.refused += us.accepted ? 0 : 1

      const cold = new ReferenceClient(gun, here, Date.now)
      const view = await cold.update()
      assert.deepEqual(view, await readThere(), what)
      for (const reader of readers.filter((_, place) => (place + index) % 3 === 0)) {
        assert.deepEqual(await reader.update(), view, what)
      }
      readers.push(cold)
      if (index % NOTARY_EVERY === 0) {
        caches.push(randomUUID())
        await this.list(gun, caches.at(-1)!)
      }
    }
    const listed = await this.list(gun, randomUUID())
    for (const cache of caches) assert.equal(await this.list(gun, cache), listed)
  }
}

test(
  'random publishes: the Go server decides the same, and clients with any cache can go on reading',
  { skip },
  async (t) => {
    const go = await startGoServer()
    t.after(() => go.stop())
    const here = await startTestServer({ threads: 1 })
    t.after(() => here.stop())
    const stage = new Stage(go, here)
    await writeFile(stage.caFile, here.ca!)
    const steps = fc.array(randomStep, { minLength: 20, maxLength: 30 })
    const snapshot = fc.constantFrom('client' as const, 'server' as const)
    const property = fc.asyncProperty(steps, snapshot, (todo, holder) => stage.play(todo, holder))
    await fc.assert(property, { numRuns: 4, seed: 20261128, endOnFailure: true })
    t.diagnostic(`${stage.accepted} publishes accepted, ${stage.refused} refused`)
    assert.deepEqual(await here.check(), [])
  },
)
