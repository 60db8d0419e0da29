import { drive, Exhausted, Lanes, type Outcome } from './load.ts'
import type { Goals, RateMeasure } from './measure.ts'
import type { Publisher } from './publisher.ts'
import type { Stage } from './stage.ts'

const SMALL_TAGS = 10
/** Repositories of each publisher, used in turn. */
const REPOSITORIES_EACH = 4
/** Publishers with many tags have a single repository each. */
const LARGE_EACH = 1
const LARGE_TAGS = 1_000
/** Uploads prepared for each second of a round: more than the fastest server can handle. */
const UPLOADS_PER_SECOND = 4_000
/** Bytes of uploads that wait in memory; a round may run out of them early. */
const UPLOADS_MAX_BYTES = 512 * 1024 * 1024

export const publishing: RateMeasure[] = [
  publish('publish-1', 1, SMALL_TAGS, { memory: { rate: 1 }, postgres: { rate: 10 } }),
  publish('publish-8', 8, SMALL_TAGS, { memory: { rate: 1.2 }, postgres: { rate: 25 } }),
  publish('publish-32', 32, SMALL_TAGS, { memory: { rate: 1.3 }, postgres: { rate: 30 } }),
  publish('publish-into-1000', 4, 1_000, { memory: { rate: 3 }, postgres: { rate: 8 } }),
  publish('publish-into-5000', 4, 5_000, { memory: { rate: 5 }, postgres: { rate: 6 } }),
]

/** Uploads of one repository, in order, made before the clock starts. */
interface Queue {
  readonly publisher: Publisher
  readonly uploads: Buffer[]
}

/** Versions must follow one another: uploads that one measure did not send, the next one must. */
const queues = new WeakMap<Publisher, Queue>()

function publish(name: string, publishers: number, tags: number, goals: Goals): RateMeasure {
  return {
    name,
    title: `publish 1 tag of ${tags}, ${publishers} publisher${publishers === 1 ? '' : 's'}`,
    goals,
    async prepare(stage, seconds) {
      const each = tags < LARGE_TAGS ? REPOSITORIES_EACH : LARGE_EACH
      const repositories = await stage.repositories(`publish-${tags}`, publishers * each, tags)
      const ready = repositories.map((publisher) => {
        const queue = queues.get(publisher) ?? { publisher, uploads: [] }
        queues.set(publisher, queue)
        return queue
      })
      fill(ready, seconds)
      return (duration) => publishLoad(stage, ready, publishers, duration)
    },
  }
}

function fill(ready: readonly Queue[], seconds: number): void {
  for (const { publisher, uploads } of ready) {
    if (uploads.length === 0) uploads.push(publisher.next())
    const all = Math.min(UPLOADS_PER_SECOND * seconds, UPLOADS_MAX_BYTES / uploads[0]!.length)
    while (uploads.length < all / ready.length) uploads.push(publisher.next())
  }
}

async function publishLoad(
  stage: Stage,
  queues: readonly Queue[],
  publishers: number,
  seconds: number,
): Promise<Outcome> {
  const lanes = new Lanes(stage.contender)
  const turns = Array.from({ length: publishers }, () => 0)
  const outcome = await drive(seconds, publishers, async (lane) => {
    const each = queues.length / publishers
    const own = lane * each + (turns[lane]!++ % each)
    const upload = queues[own]?.uploads.shift()
    if (upload === undefined) throw new Exhausted()
    await lanes.ask(lane, upload)
  })
  lanes.close()
  return outcome
}
