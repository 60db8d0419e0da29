import type { KeyEntry } from '../../test/support/test-key.ts'
import { tufPath } from '../../test/support/upload.ts'
import { getRequest, withToken } from './connection.ts'
import type { Contender } from './contender.ts'
import { Lanes } from './load.ts'
import { Publisher } from './publisher.ts'

/** A contender and what was published to it. */
export class Stage {
  readonly contender: Contender
  /** How often it had to be started again. */
  deaths = 0
  #sets = new Map<string, Publisher[]>()

  constructor(contender: Contender) {
    this.contender = contender
  }

  /** Returns repositories for one purpose; publishes missing ones first, one after the other. */
  async repositories(purpose: string, count: number, tags: number): Promise<Publisher[]> {
    const made = this.#sets.get(purpose) ?? []
    this.#sets.set(purpose, made)
    const lanes = new Lanes(this.contender)
    try {
      while (made.length < count) {
        // A server that died may still know the old names, but it may have lost their keys.
        const publisher = new Publisher(`bench.example/${this.deaths}/${purpose}/r${made.length}`, tags)
        const token = await this.contender.tokens?.token(publisher.gun, ['push', 'pull'])
        await createRepository(lanes, 0, publisher, token)
        made.push(publisher)
      }
    } finally {
      lanes.close()
    }
    return made.slice(0, count)
  }

  /** Starts the server again if it has died. Everything published counts as lost. */
  async revive(): Promise<void> {
    if (this.contender.alive) return
    this.deaths += 1
    this.#sets = new Map()
    await this.contender.restart()
  }
}

/** Creates a repository as a client does: requests two keys, then uploads root and targets. */
export async function createRepository(
  lanes: Lanes,
  lane: number,
  publisher: Publisher,
  token?: string,
): Promise<void> {
  const ask = async (request: Buffer): Promise<Buffer> =>
    lanes.ask(lane, token === undefined ? request : withToken(request, token))
  const key = async (role: string): Promise<KeyEntry> => {
    const body = await ask(getRequest(tufPath(publisher.gun, `${role}.key`)))
    return JSON.parse(body.toString('utf8')) as KeyEntry
  }
  const timestamp = await key('timestamp')
  await ask(publisher.first(timestamp, await key('snapshot')))
}
