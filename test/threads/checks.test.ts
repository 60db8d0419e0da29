import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { Level } from 'level'
import { TrustError } from '../../src/errors.ts'
import type { CheckReport } from '../../src/repository/check.ts'
import { loadSettings } from '../../src/settings/load.ts'
import type { Anchor } from '../../src/store/anchor.ts'
import type { LevelStore, StoreOptions } from '../../src/store/level-store.ts'
import { Checks } from '../../src/threads/checks.ts'
import type { CheckStart, MainAnswers } from '../../src/threads/messages.ts'
import { keptLog, type Line } from '../support/local-app.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { commitOf, documentOf, newStore, storePlace } from '../support/test-store.ts'
import { until } from '../support/until.ts'

interface Scene {
  readonly place: StoreOptions
  readonly store: LevelStore
  readonly checks: Checks
  check(gone?: AbortSignal, start?: CheckStart): Promise<CheckReport>
  /** Returns how many checks have asked for the anchor, which each does first. */
  readonly asked: () => number
  /** What the first check waits for. */
  readonly anchor: PromiseWithResolvers<Anchor>
}

/** Makes a store with one commit; its first check goes on until `anchor` is resolved. */
async function scene(t: TestContext, faults?: StoreOptions['faults']): Promise<Scene> {
  const place = await storePlace(t)
  const checks = new Checks()
  const store = await newStore(t, { ...place, faults, others: [checks] })
  await store.commit(commitOf('example.org/a', 0, [documentOf('targets', 1, 'no metadata')]))
  const settings = loadSettings({ environment: { COUNTERSIGN_DATA_DIRECTORY: place.directory } })
  const own: CheckStart = { settings, keyring: { dataKeys: new Map(), current: 1 } }
  const anchor = Promise.withResolvers<Anchor>()
  let asked = 0
  const readAnchor: MainAnswers['readAnchor'] = () => {
    asked += 1
    return asked === 1 ? anchor.promise : store.readAnchor()
  }
  const answers = { readAnchor } as Partial<MainAnswers> as MainAnswers
  const check: Scene['check'] = (gone, start = own) => checks.check(start, answers, Date.now, gone)
  return { place, store, checks, check, asked: () => asked, anchor }
}

const going = ({ asked }: Scene): Promise<void> => until('a check to go on', () => asked() > 0)

test('checks run one after the other; one whose caller has gone is given up, or never started', async (t) => {
  const here = await scene(t)
  const [first, second] = [new AbortController(), new AbortController()]
  const ends = [here.check(first.signal), here.check(second.signal), here.check()]
  await going(here)
  const why = new TrustError('WRONG_STATE', 'gone')
  second.abort(why)
  first.abort(why)
  const [one, two, three] = await Promise.allSettled(ends)
  assert.deepEqual(
    [one, two],
    [
      { status: 'rejected', reason: why },
      { status: 'rejected', reason: why },
    ],
  )
  assert.ok(three?.status === 'fulfilled')
  assert.deepEqual([three.value.findings, three.value.commits, here.asked()], [[], 1, 2])
})

test('one check runs and eight wait; further ones get BUSY', async (t) => {
  const here = await scene(t)
  const gone = new AbortController()
  const ends = Array.from({ length: 9 }, () => here.check(gone.signal))
  await assert.rejects(here.check(), { code: 'BUSY', message: 'too many checks are waiting' })
  gone.abort()
  await Promise.allSettled(ends)
})

test('closing the database gives up a running check with a reason; none starts until it is open again', async (t) => {
  const here = await scene(t)
  const refused = { code: 'STORE_UNAVAILABLE', message: 'the check was abandoned: the database is being closed' }
  const given = assert.rejects(here.check(), refused)
  const waiting = assert.rejects(here.check(), refused)
  await going(here)
  await here.checks.close()
  await Promise.all([given, waiting])
  await assert.rejects(here.check(), refused)
  await here.checks.open()
  assert.deepEqual((await here.check()).findings, [])
  await here.checks.stop()
  await here.checks.open()
  await assert.rejects(here.check(), { code: 'STOPPING' })
  await here.store.close()
  // Opened as another process would: it is locked while anybody has it open.
  const level = new Level(here.place.directory)
  await level.open()
  await level.close()
})

test('a failed write gives up the running check, and the next one succeeds', async (t) => {
  let failing = false
  const here = await scene(t, (step) => {
    if (failing && step === 'batch:before') throw new Error('disk full')
  })
  const given = assert.rejects(here.check(), { code: 'STORE_UNAVAILABLE' })
  await going(here)
  failing = true
  const never = commitOf('example.org/a', 1, [documentOf('targets', 2, 'never')])
  await assert.rejects(here.store.commit(never), { code: 'STORE_UNAVAILABLE' })
  failing = false
  await given
  await until('the store to be writable', () => here.store.readiness().writable)
  assert.deepEqual((await here.check()).findings, [])
})

test('a thread that dies, or cannot open the database, fails only its own check, and ends', async (t) => {
  const here = await scene(t)
  const before = process.getActiveResourcesInfo().filter((each) => each === 'MessagePort').length
  await assert.rejects(here.check(undefined, {} as CheckStart), TypeError)
  const settings = loadSettings({ environment: { COUNTERSIGN_DATA_DIRECTORY: join(here.place.directory, 'none') } })
  const nowhere = here.check(undefined, { settings, keyring: { dataKeys: new Map(), current: 1 } })
  await assert.rejects(nowhere, (error) => error instanceof TrustError && error.code === 'DATA_DAMAGED')
  assert.equal(process.getActiveResourcesInfo().filter((each) => each === 'MessagePort').length, before)
  here.anchor.resolve(await here.store.readAnchor())
  assert.deepEqual((await here.check()).findings, [])
})

test('the journal must reach the anchor’s entry and match it', async (t) => {
  const textsWith = async (answer: (real: Anchor) => Anchor): Promise<string[]> => {
    const here = await scene(t)
    here.anchor.resolve(answer(await here.store.readAnchor()))
    return (await here.check()).findings.map(({ text }) => text)
  }
  assert.deepEqual(await textsWith((real) => real), [])
  assert.deepEqual(await textsWith((real) => ({ ...real, hash: 'f'.repeat(64) })), [
    'journal entry 1 is not the one that the anchor names',
  ])
  assert.deepEqual(await textsWith((real) => ({ ...real, number: 2 })), ['the record "journal 2" is missing'])
  const here = await scene(t)
  const report = here.check()
  await going(here)
  here.anchor.reject(new TrustError('DATA_DAMAGED', 'the anchor has no valid signature'))
  const { findings } = await report
  assert.match(findings[0]?.text ?? '', /^the anchor has no valid signature: no server starts like that; /)
  assert.equal(findings.length, 1, 'the end of the journal should be found without the anchor')
})

/** Asks for a check as the command does. @param happens called when the check has its thread */
async function askedOf(
  server: TestServer,
  happens: () => void = () => undefined,
): Promise<{ status: number; said: string }> {
  const { now } = server.clock
  let began = false
  // A check reads the clock once its thread is there; so do others, such as the look for what ends after a start.
  Object.defineProperty(server.clock, 'now', {
    configurable: true,
    get() {
      if (!began && new Error().stack?.includes('src/threads/checks.ts') === true) {
        began = true
        happens()
      }
      return now
    },
  })
  const [answer] = (await once(requestCheck(server), 'response')) as [IncomingMessage]
  return { status: answer.statusCode ?? 0, said: await text(answer) }
}

function requestCheck({ directory }: TestServer): ClientRequest {
  return request({ socketPath: join(directory, 'data', 'control.sock'), path: '/api/v1/check' }).end()
}

/** Empties the log. @returns levels of the lines of checks */
function levelsOf(lines: Line[]): string[] {
  return lines.splice(0).flatMap(({ level, operation }) => (operation === 'check' ? [level] : []))
}

test('a server that reopens its database, is left alone or stops gives up a check and says so', async (t) => {
  let failing = false
  const lines: Line[] = []
  const server = await startTestServer({
    log: keptLog(lines),
    faults: (step) => {
      if (failing && step === 'batch:before') throw new Error('disk full')
    },
  })
  const { running } = server
  /** Has checks wait for the anchor, which they read first. */
  const hold = () => t.mock.method(running.store, 'readAnchor', () => new Promise<never>(() => undefined))
  let failed: Promise<unknown> | undefined
  let closed: Promise<void> | undefined
  try {
    const first = hold()
    const given = await askedOf(server, () => {
      failing = true
      const never = commitOf('example.org/a', 0, [documentOf('targets', 1, 'never')])
      failed = assert.rejects(running.store.commit(never), { code: 'STORE_UNAVAILABLE' })
    })
    assert.deepEqual([given.status, /the check was abandoned/.test(given.said)], [503, true], given.said)
    await failed
    failing = false
    first.mock.restore()
    await until('the store to be writable', () => running.store.readiness().writable)
    const sound = await askedOf(server)
    assert.deepEqual([sound.status, JSON.parse(sound.said).findings], [200, []])
    assert.deepEqual(levelsOf(lines), ['error', 'info'])
    const read = hold()
    const left = requestCheck(server).on('error', () => undefined)
    await until('a check to go on', () => read.mock.callCount() > 0)
    left.destroy()
    await until('its end', () => lines.some(({ refused }) => refused === 'the client has gone away'))
    assert.deepEqual(levelsOf(lines), ['info'])
    const stopped = await askedOf(server, () => void (closed = running.close()))
    assert.deepEqual(
      [stopped.status, /the check was abandoned: the server is stopping/.test(stopped.said)],
      [503, true],
    )
    await closed
    assert.deepEqual(levelsOf(lines), ['info'], 'an orderly stop is no error')
  } finally {
    await (closed ?? running.close())
    await rm(server.directory, { recursive: true })
  }
})
