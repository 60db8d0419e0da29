import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { errorOf, exchange, exchangeBytes, type Answer } from '../support/exchange.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { ReferenceClient, type View } from '../support/reference-client.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, type TrustWorld } from '../support/trust-world.ts'
import { tufPath, upload } from '../support/upload.ts'
import { NOW, type Case, type Scene, type Sent } from './case.ts'
import { allCases } from './cases.ts'
import { makeScene, type Stage } from './scenes.ts'

/** Bytes: clients ignore an error whose body is longer (wire spec §4.1). */
const ERROR_BODY_MAX = 1024

interface Baseline {
  readonly state: string
  readonly view: View | undefined
}

const cases = allCases()

test('the corpus has at least 600 cases with distinct names', () => {
  assert.ok(cases.length >= 600, `only ${cases.length}`)
  assert.equal(new Set(cases.map(({ group, name }) => `${group} ${name}`)).size, cases.length)
})

/** With so many other publishes going on, an upload is verified in the thread pool. */
const OTHERS = 4

for (const others of [0, OTHERS]) {
  const where = others === 0 ? 'alone' : `among ${others} other publishes`
  describe(`whatever is sent, ${where}, the answer is exact and the repository stays readable`, () => corpus(others))
}

/** @param others publishes going on all the time */
function corpus(others: number): void {
  let server: TestServer
  let stage: Stage
  let other: TrustWorld
  const scenes = new Map<Scene, TrustWorld>()
  let own = 0
  const over = Promise.withResolvers<void>()
  const waiting: Promise<unknown>[] = []

  before(async () => {
    const limits = { publishesWaitingPerGun: OTHERS }
    server = await startTestServer({ now: NOW, transport: 'plain', settings: { limits } })
    stage = {
      serverKeys: (gun) => keysFrom(server, gun),
      send: (world, parts) => world.send(server, parts),
    }
    for (const scene of ['client-snapshot', 'server-snapshot', 'unpublished'] as const) {
      scenes.set(scene, await makeScene(stage, `corpus.example/${scene}/app`, scene))
    }
    other = await makeScene(stage, 'corpus.example/another/app', 'client-snapshot', makeKey('ecdsa'))
    if (others > 0) await keepOthersWaiting()
  })
  after(async () => {
    over.resolve()
    await Promise.all(waiting)
    await server.stop()
  })

  /** Holds a repository's turn until the end, with as many publishes waiting for it as may, and one more refused. */
  const keepOthersWaiting = async (): Promise<void> => {
    const world = await makeScene(stage, 'corpus.example/waiting/app', 'server-snapshot')
    const parts = world.nextParts('targets')
    waiting.push(server.running.trust.turns.take(parseGun(world.gun), () => over.promise))
    const uploads = Array.from({ length: others + 1 }, () => upload(server, world.gun, parts))
    waiting.push(...uploads)
    assert.equal((await Promise.race(uploads)).status, 429)
  }

  const worldFor = async ({ scene, changes }: Case): Promise<TrustWorld> => {
    const shared = scenes.get(scene)
    assert.ok(shared)
    own += 1
    return (changes ? await makeScene(stage, `corpus.example/own/app-${own}`, scene) : shared).fork()
  }

  const send = async (world: TrustWorld, sent: Sent): Promise<Answer | string> => {
    if (typeof sent === 'string') return exchangeBytes(server, Buffer.from(sent, 'latin1'))
    return 'path' in sent ? exchange(server, sent) : upload(server, world.gun, sent)
  }

  const list = async (world: TrustWorld): Promise<View | undefined> => {
    const { status } = await exchange(server, { path: tufPath(world.gun, 'root.json') })
    return status === 404 ? undefined : new ReferenceClient(world.gun, server, () => NOW).update()
  }

  /** The states before anything was sent: no refusal may change them. */
  const baselines = new Map<string, Baseline>()
  const baselineOf = async (world: TrustWorld): Promise<Baseline> => {
    const known = baselines.get(world.gun) ?? { state: await server.stateHash(world.gun), view: await list(world) }
    baselines.set(world.gun, known)
    return known
  }

  const run = async (item: Case): Promise<void> => {
    const world = await worldFor(item)
    const baseline = item.changes ? undefined : await baselineOf(world)
    const tail = server.running.trust.store.tail().number
    const answer = await send(world, item.send(world, other.fork()))
    if (typeof answer === 'string') checkRaw(item, answer)
    else checkAnswer(item, answer)
    const view = await list(world)
    if (baseline === undefined) return
    assert.equal(server.running.trust.store.tail().number, tail, 'something was committed')
    assert.equal(await server.stateHash(world.gun), baseline.state, 'the repository changed')
    assert.deepEqual(view, baseline.view)
  }

  for (const [group, members] of Map.groupBy(cases, (item) => item.group)) {
    test(`${group}: ${members.length} cases`, async () => {
      const failures: string[] = []
      for (const item of members) {
        try {
          await run(item)
        } catch (error) {
          failures.push(`${item.name}: ${error instanceof Error ? error.message : String(error)}`)
        }
      }
      assert.deepEqual(failures, [])
    })
  }
}

function checkAnswer({ expected }: Case, answer: Answer): void {
  const text = answer.body.toString('utf8')
  assert.equal(answer.status, expected.status, text)
  if (expected.code === undefined) return
  const { code, name } = errorOf(answer)
  assert.equal(code, expected.code, text)
  assert.ok(answer.body.length <= ERROR_BODY_MAX, 'clients ignore an error body of this length')
  if (expected.problem !== undefined) assert.equal(name, expected.problem, text)
}

/** Asserts exactly one answer: nothing behind the request was taken for another one. */
function checkRaw({ expected }: Case, text: string): void {
  const answers = text.match(/^HTTP\/1\.1 [0-9]{3}/gm) ?? []
  assert.deepEqual(answers, expected.status === 0 ? [] : [`HTTP/1.1 ${expected.status}`], text.slice(0, 200))
}
