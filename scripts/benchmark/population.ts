import { drive, Lanes } from './load.ts'
import { getRequest } from './connection.ts'
import type { FigureMeasure } from './measure.ts'
import { memoryBytes } from './processes.ts'
import type { Publisher } from './publisher.ts'
import type { Stage } from './stage.ts'
import { quickestStart } from './start.ts'

const TAGS = 10
const READERS = 16
const READ_SECONDS = 3
/** Reads go to this many repositories, spread over all: more than any server keeps responses for. */
const SPREAD = 5_000
const STARTS = 3

/** Measures a server with so many repositories: memory, reads, start. */
export const populations: FigureMeasure[] = [
  population(100, {}),
  population(1_000, { memory: 120 }),
  population(10_000, { memory: 180 }),
  population(100_000, { start: 2_000 }),
]

function population(count: number, goals: { memory?: number; start?: number }): FigureMeasure {
  const large = count > 10_000
  const many = `${count.toLocaleString('en')} repositories`
  return {
    name: `repositories-${count}`,
    large,
    figures: [
      { title: `memory with ${many}`, unit: 'MB', ...(goals.memory === undefined ? {} : { goal: goals.memory }) },
      { title: `GET timestamp.json of any of ${many}`, unit: 'per s' },
      { title: `start with ${many}`, unit: 'ms', ...(goals.start === undefined ? {} : { goal: goals.start }) },
    ],
    of: large ? ['countersign'] : count > 1_000 ? ['countersign', 'memory'] : ['countersign', 'memory', 'postgres'],
    async find(stage) {
      const { contender } = stage
      const publishers = await publishedTo(stage, count)
      const memory = memoryBytes(contender.pids) / 1e6
      const reads = await readsOf(stage, publishers)
      // A server without a database would be empty after a restart.
      const start = contender.diskBytes() === undefined ? undefined : await quickestStart(contender, STARTS)
      return [memory, reads, start]
    },
  }
}

/** Publishes to all repositories; if the server dies, starts over once. */
async function publishedTo(stage: Stage, count: number): Promise<Publisher[]> {
  try {
    return await stage.repositories('population', count, TAGS)
  } catch (error) {
    if (stage.contender.alive) throw error
    await stage.revive()
    return stage.repositories('population', count, TAGS)
  }
}

async function readsOf(stage: Stage, publishers: readonly Publisher[]): Promise<number> {
  const step = Math.max(1, Math.floor(publishers.length / SPREAD))
  const requests = publishers
    .filter((_, index) => index % step === 0)
    .map(({ path }) => getRequest(`${path}timestamp.json`))
  const lanes = new Lanes(stage.contender)
  const read = async (lane: number): Promise<void> => {
    await lanes.ask(lane, requests[Math.floor(Math.random() * requests.length)]!)
  }
  // As in all measures, one round before the one that counts.
  await drive(READ_SECONDS, READERS, read)
  const { operations, seconds } = await drive(READ_SECONDS, READERS, read)
  lanes.close()
  return operations / seconds
}
