import type { Contender } from './contender.ts'
import { drive, Lanes } from './load.ts'
import { getRequest } from './connection.ts'
import type { FigureMeasure } from './measure.ts'
import { memoryBytes } from './processes.ts'
import type { Publisher } from './publisher.ts'
import { Stage } from './stage.ts'

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
    async find(launch) {
      const contender = await launch()
      const stage = new Stage(contender)
      try {
        const publishers = await publishedTo(stage, count)
        const memory = memoryBytes(contender.pids) / 1e6
        const reads = await readsOf(stage, publishers)
        return [memory, reads, await startOf(contender)]
      } finally {
        await contender.stop()
      }
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

/** Returns the fastest of some starts, in milliseconds; undefined for a server that loses its data. */
async function startOf(contender: Contender): Promise<number | undefined> {
  if (contender.diskBytes() === undefined) return undefined
  const took: number[] = []
  for (let start = 0; start < STARTS; start += 1) {
    await contender.restart()
    took.push(contender.startedIn)
  }
  return Math.min(...took)
}
