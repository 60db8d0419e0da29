import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { revokeToken } from '../../src/admin/tokens.ts'
import { TrustError } from '../../src/errors.ts'
import { adopt } from '../../src/repository/adoption/adopt.ts'
import { remove } from '../../src/repository/remove.ts'
import { GUN, made, takeOver, type Made } from '../support/adoption.ts'
import { exchange, type Endpoint } from '../support/exchange.ts'
import type { LocalTrust } from '../support/local-trust.ts'
import type { MetaPayload, TargetsPayload } from '../support/metadata-file.ts'
import { makeToken, worldOf } from '../support/people.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

/** Milliseconds per number of threads. */
const RUN_FOR = 1_500
const ACTOR = { name: 'local' }

/** How far a repository has come: a delete ends a life, after which targets start at version 1. Version 0: absent. */
interface State {
  readonly life: number
  readonly version: number
}

const text = ({ life, version }: State): string => `life ${life} version ${version}`
const isBefore = (one: State, other: State): boolean =>
  one.life < other.life || (one.life === other.life && one.version < other.version)

/** Changes a repository; knows what was acknowledged and what has been sent, beyond which nobody may see. */
abstract class Publisher {
  readonly gun: string
  acknowledged: State = { life: 0, version: 0 }
  begun = this.acknowledged
  changes = 0

  constructor(gun: string) {
    this.gun = gun
  }

  abstract act(): Promise<void>

  /** Changes the repository to this state, retrying while nothing can be written. */
  protected async change(state: State, send: () => Promise<unknown>): Promise<void> {
    this.begun = state
    await unlessUnavailable(send)
    this.acknowledged = state
    this.changes += 1
  }

  protected get next(): State {
    const { life, version } = this.acknowledged
    return { life, version: version + 1 }
  }

  protected get deleted(): State {
    return { life: this.acknowledged.life + 1, version: 0 }
  }
}

/** Milliseconds in which the store must be open again, even on a busy machine. */
const REOPENED_WITHIN = 60_000

/** Retries while the store says that it is being reopened. */
async function unlessUnavailable<Value>(work: () => Promise<Value>): Promise<Value> {
  for (const end = Date.now() + REOPENED_WITHIN; ;) {
    try {
      return await work()
    } catch (error) {
      const unavailable =
        error instanceof TrustError ? error.code === 'STORE_UNAVAILABLE' : /: 503 /.test(String(error))
      if (!unavailable || Date.now() > end) throw error
      await pause(3)
    }
  }
}

/** Publishes over the network, as clients do. */
class Owner extends Publisher {
  readonly #server: Endpoint
  #world: TrustWorld | undefined

  constructor(gun: string, server: Endpoint) {
    super(gun)
    this.#server = server
  }

  async act(): Promise<void> {
    const { gun } = this
    const server = this.#server
    if (this.#world !== undefined && Math.random() < 0.08) {
      this.#world = undefined
      return this.change(this.deleted, async () => {
        const { status } = await exchange(server, { method: 'DELETE', path: tufPath(gun) })
        if (status !== 200) throw new Error(`: ${status} `)
      })
    }
    const roles = this.#world === undefined ? ['root', 'targets'] : ['targets']
    const world = (this.#world ??= await this.#create())
    world.targets.version = this.next.version
    world.addTarget(`v${this.next.version % 30}`)
    const parts = world.parts(...roles)
    await this.change(this.next, () => world.send(server, parts))
  }

  async #create(): Promise<TrustWorld> {
    const serverKeys = keysFrom(this.#server, this.gun)
    const snapshot = Math.random() < 0.5 ? 'server' : 'client'
    const world = await unlessUnavailable(() =>
      TrustWorld.create({ gun: this.gun, now: Date.now(), serverKeys, snapshot }),
    )
    world.targets.targets = {}
    world.addTarget(`life-${this.acknowledged.life}`)
    return world
  }
}

/** Adopts newer and newer states of another server, until this one signs. */
class Adopter extends Publisher {
  readonly #trust: TestServer['running']['trust']
  #there: Made | undefined

  constructor({ running }: TestServer) {
    super(GUN)
    this.#trust = running.trust
  }

  async act(): Promise<void> {
    const trust = this.#trust
    if (this.#there !== undefined && Math.random() < 0.08) {
      const { owner } = this.#there
      const here = { trust, clock: { now: Date.now() } } as LocalTrust
      await takeOver({ here, owner }).catch((error: TrustError) => assert.equal(error.code, 'STORE_UNAVAILABLE'))
      this.#there = undefined
      return this.change(this.deleted, () => remove(trust, GUN, ACTOR))
    }
    const { owner, roots, documents } = (this.#there ??= await this.#begin())
    if (this.acknowledged.version > 0) {
      roots.push({ role: 'root', bytes: owner.files.get('root')! })
      owner.root.version += 1
    }
    owner.targets.version = this.next.version
    const offered = documents()
    await this.change(this.next, () => adopt(trust, GUN, offered, undefined, ACTOR))
    await pause(2)
  }

  async #begin(): Promise<Made> {
    const there = await made()
    there.owner.targets.targets = {}
    there.owner.addTarget(`life-${this.acknowledged.life}`)
    return there
  }
}

/** Reads on a kept connection, or on a new one as docker does. */
class Reader {
  readonly #server: TestServer
  readonly #token: string
  #kept: RawConnection | undefined
  reads = 0

  constructor(server: TestServer, token: string) {
    this.#server = server
    this.#token = token
  }

  async get(path: string): Promise<{ status: number; body: string }> {
    this.reads += 1
    const head = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${this.#token}\r\n`
    if (Math.random() < 0.2) {
      const connection = await RawConnection.open(this.#server)
      const answer = await connection.ask(`${head}Connection: close\r\n\r\n`)
      await connection.closed()
      return parsed(answer)
    }
    if (this.#kept?.socket.destroyed !== false || Math.random() < 0.02) {
      this.close()
      this.#kept = await RawConnection.open(this.#server)
    }
    return parsed(await this.#kept.ask(`${head}\r\n`))
  }

  close(): void {
    this.#kept?.socket.destroy()
  }
}

function parsed(answer: string): { status: number; body: string } {
  return { status: Number(answer.slice(9, 12)), body: answer.slice(answer.indexOf('\r\n\r\n') + 4) }
}

/** Asserts that no read returns a state older than one acknowledged before it began, or read before. */
async function readOn(reader: Reader, publisher: Publisher, goOn: () => boolean): Promise<void> {
  const { gun } = publisher
  let last: State = { life: 0, version: 0 }
  while (goOn()) {
    const least = isBefore(last, publisher.acknowledged) ? publisher.acknowledged : last
    const seen = await (Math.random() < 0.5 ? readCurrent : readChain)(reader, publisher)
    if (seen === undefined) continue
    if (seen.version === 0) {
      const mayBeGone = least.version === 0 || least.life < publisher.begun.life
      assert.ok(mayBeGone, `${gun} is not there; ${text(least)} was`)
      continue
    }
    assert.ok(!isBefore(seen, least), `${gun}: ${text(seen)} was read after ${text(least)}`)
    assert.ok(!isBefore(publisher.begun, seen), `${gun}: ${text(seen)} was read before it was sent`)
    last = seen
  }
}

function stateIn(body: string): State {
  const { signed } = JSON.parse(body) as { signed: TargetsPayload }
  const [, life] = /"life-(\d+)"/.exec(body) ?? []
  return { life: Number(life), version: signed.version }
}

/** @returns undefined while the database is being reopened */
async function readCurrent(reader: Reader, { gun }: Publisher): Promise<State | undefined> {
  const { status, body } = await reader.get(tufPath(gun, 'targets.json'))
  if (status === 503) return undefined
  if (status === 404) return { life: 0, version: 0 }
  assert.equal(status, 200)
  return stateIn(body)
}

/** Reads the timestamp and follows its checksums; asserts that all is there, unless deleted meanwhile. */
async function readChain(reader: Reader, publisher: Publisher): Promise<State | undefined> {
  const { gun } = publisher
  const { life } = publisher.acknowledged
  let path = tufPath(gun, 'timestamp.json')
  for (const role of ['snapshot', 'targets', '']) {
    const { status, body } = await reader.get(path)
    if (status === 503) return undefined
    if (status === 404 && role === 'snapshot') return { life: 0, version: 0 }
    if (status === 404 && publisher.begun.life > life) return undefined
    assert.equal(status, 200, `${path}, life ${life}`)
    const [, named] = /\.([0-9a-f]{64})\.json$/.exec(path) ?? []
    if (named !== undefined) assert.equal(hash('sha256', Buffer.from(body, 'latin1'), 'hex'), named)
    if (role === '') return stateIn(body)
    const { signed } = JSON.parse(body) as { signed: MetaPayload }
    const sha256 = Buffer.from(signed.meta[role]!.hashes['sha256']!, 'base64').toString('hex')
    path = tufPath(gun, `${role}.${sha256}.json`)
  }
  return undefined
}

for (const threads of [1, 2, 3]) {
  test(`${threads} threads: reads see every acknowledged publish at once, and a revoked token reads nothing`, async (t) => {
    let failing = false
    // Fails before or after the write.
    const faults = (step: string): void => {
      if (!failing || !step.startsWith('batch') || Math.random() < 0.5) return
      failing = false
      throw new Error('disk full')
    }
    const access = { mode: 'built-in' } as const
    const server = await startTestServer({ threads, transport: 'plain', settings: { access }, faults })
    t.after(() => server.stop())
    const { running } = server
    const endpoint = {
      url: server.url,
      authorization: `Bearer ${await makeToken(running, 'owner', ['sign,delete:*'])}`,
    }
    const publishers = [
      new Adopter(server),
      ...['a', 'b'].map((name) => new Owner(`readers.example/${name}`, endpoint)),
    ]
    const readToken = await makeToken(running, 'reader', ['read:*'])
    const readers: Reader[] = []
    const newReader = (token: string): Reader => {
      const reader = new Reader(server, token)
      readers.push(reader)
      return reader
    }
    const until = Date.now() + RUN_FOR
    let failed = false
    const goOn = (): boolean => Date.now() < until && !failed
    const repeat = async (round: () => Promise<void>): Promise<void> => {
      while (goOn()) await round()
    }
    let tokens = 0
    const revokeOne = async (): Promise<void> => {
      tokens += 1
      const name = `short-${tokens}`
      const token = await unlessUnavailable(() => makeToken(running, name, ['read:*']))
      const path = tufPath(publishers[tokens % publishers.length]!.gun, 'targets.json')
      const used = [1, 2, 3].map(() => newReader(token))
      for (const reader of [...used, ...used]) assert.notEqual((await reader.get(path)).status, 401)
      await unlessUnavailable(() => revokeToken.run(worldOf(running), { token: name }, ACTOR))
      for (const reader of used) assert.ok([401, 503].includes((await reader.get(path)).status))
      for (const reader of used) reader.close()
    }
    const work = [
      ...publishers.map((publisher) => repeat(() => publisher.act())),
      ...publishers.flatMap((publisher) => [1, 2, 3].map(() => readOn(newReader(readToken), publisher, goOn))),
      repeat(revokeOne),
      repeat(async () => {
        await pause(200)
        failing = true
      }),
    ]
    try {
      await Promise.all(work)
    } finally {
      failed = true
      await Promise.allSettled(work)
      for (const reader of readers) reader.close()
    }
    const reads = readers.reduce((sum, reader) => sum + reader.reads, 0)
    const lives = publishers.map(({ changes, acknowledged }) => `${changes} changes in ${acknowledged.life + 1} lives`)
    t.diagnostic(`${reads} reads, ${lives.join(', ')}, ${tokens} tokens`)
    assert.deepEqual(await server.check(), [])
  })
}
