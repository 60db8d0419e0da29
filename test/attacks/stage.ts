import assert from 'node:assert/strict'
import { errorOf } from '../support/exchange.ts'
import { fetchFrom, ReferenceClient, type Fetch } from '../support/reference-client.ts'
import { ClientRefusal } from '../support/reference-verify.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { makeKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { upload, type Part } from '../support/upload.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
export const DAY = 86_400_000

/** The roles that a publisher with its own snapshot key signs, a delegation among them. */
export const SIGNED_ROLES = ['root', 'targets', 'snapshot', 'targets/releases'] as const
export const ALL_ROLES = [...SIGNED_ROLES, 'timestamp'] as const

/** A publisher with a repository on the server, and a client that knows it. */
export interface Repository {
  readonly gun: string
  readonly world: TrustWorld
  /** Has seen everything so far. */
  readonly client: ReferenceClient
  readonly fetch: Fetch
}

/** A server with repositories for the tests of one file. */
export class Stage {
  readonly server: TestServer
  #made = 0

  private constructor(server: TestServer) {
    this.server = server
  }

  static async open(): Promise<Stage> {
    return new Stage(await startTestServer({ now: NOW, transport: 'plain' }))
  }

  close(): Promise<void> {
    return this.server.stop()
  }

  /** Returns a name that no other test uses. */
  nextGun(): string {
    this.#made += 1
    return `attacks.example/no${this.#made}/app`
  }

  /** Makes a repository with root 2, targets 3, targets/releases 2 and snapshot 3, and a client that has seen them. */
  async repository(snapshot: 'client' | 'server' = 'client', gun = this.nextGun()): Promise<Repository> {
    const { server } = this
    const world = await TrustWorld.create({ gun, now: server.clock.now, serverKeys: keysFrom(server, gun), snapshot })
    await world.publishFirst(server)
    world.delegate('targets/releases', [makeKey('ecdsa')])
    world.addTarget('r1', 'targets/releases')
    await world.publish(server, 'targets', 'targets/releases')
    await world.publish(server, 'root', 'targets', 'targets/releases')
    const client = this.client(gun)
    await client.update()
    return { gun, world, client, fetch: fetchFrom(server, gun) }
  }

  /** Makes a client that has seen nothing yet, neither from the server nor from a mirror. */
  client(gun: string, fetch?: Fetch): ReferenceClient {
    return new ReferenceClient(gun, fetch ?? this.server, () => this.server.clock.now)
  }

  /** Records all current files of a repository that a client reads. @returns a mirror of them */
  async recorded({ gun, fetch }: Repository): Promise<Fetch> {
    const kept = new Map<string, Awaited<ReturnType<Fetch>>>()
    await this.client(gun, async (file) => {
      const answer = await fetch(file)
      kept.set(file, answer)
      return answer
    }).update()
    return async (file) => kept.get(file) ?? { status: 404, body: Buffer.alloc(0) }
  }

  /**
   * Asserts that the server refuses this upload with this problem (or wire code) and changes nothing, and that a new
   * and an existing client can still read the repository.
   */
  async refuses({ gun, client }: Repository, parts: readonly Part[], problem: string, reason?: RegExp): Promise<void> {
    const before = await this.server.stateHash(gun)
    const answer = await upload(this.server, gun, parts)
    assert.equal(answer.status, 400, answer.body.toString('utf8'))
    const { code, name, message } = errorOf(answer)
    assert.ok(code === problem || name === problem, `${code} ${name}: ${message}`)
    if (reason !== undefined) assert.match(message, reason)
    assert.equal(await this.server.stateHash(gun), before, 'the repository changed')
    assert.deepEqual((await client.update()).targets, (await this.client(gun).update()).targets)
  }
}

/** Returns the problem name for a refused document of this role. */
export function problemOf(role: string): string {
  return role === 'root' ? 'ErrBadRoot' : role === 'snapshot' ? 'ErrBadSnapshot' : 'ErrBadTargets'
}

/** Asserts that the client rejects what it is given, for this reason. */
export async function disbelieves(client: ReferenceClient, reason: RegExp): Promise<void> {
  await assert.rejects(client.update(), (error) => {
    assert.ok(error instanceof ClientRefusal, String(error))
    assert.match(error.message, reason)
    return true
  })
}

/** Returns a mirror that edits the files of this name and passes on all others. */
export function replacing(fetch: Fetch, name: RegExp, edit: (body: Buffer) => Buffer): Fetch {
  return async (file) => {
    const { status, body } = await fetch(file)
    return { status, body: name.test(file) ? edit(body) : body }
  }
}
