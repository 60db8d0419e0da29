import { drive, Exhausted, Lanes } from './load.ts'
import type { FigureMeasure } from './measure.ts'
import { memoryBytes } from './processes.ts'
import type { Stage } from './stage.ts'

const REPOSITORIES = 32
const TAGS = 10
const FEW = 2_000
const MANY = 20_000
const LARGE_TAGS = 5_000
const LARGE_PUBLISHES = 300

/** The memory and disk space that many publishes leave in use. */
export const history: FigureMeasure[] = [
  {
    name: 'memory-history',
    figures: [
      { title: `memory after ${FEW.toLocaleString('en')} publishes into ${REPOSITORIES} repositories`, unit: 'MB' },
      { title: `memory after ${MANY.toLocaleString('en')}`, unit: 'MB' },
    ],
    of: ['countersign', 'memory'],
    async find(stage) {
      const { contender } = stage
      await publish(stage, REPOSITORIES, TAGS, FEW)
      const few = memoryBytes(contender.pids) / 1e6
      await publish(stage, REPOSITORIES, TAGS, MANY - FEW)
      return [few, memoryBytes(contender.pids) / 1e6]
    },
  },
  {
    name: 'disk-publish-5000',
    figures: [{ title: 'disk for a publish of 1 tag into 5,000 (a full copy: 475,000)', unit: 'bytes' }],
    of: ['countersign', 'postgres'],
    async find(stage) {
      const { contender } = stage
      await publish(stage, 1, LARGE_TAGS, 1)
      const before = contender.diskBytes() ?? 0
      await publish(stage, 1, LARGE_TAGS, LARGE_PUBLISHES)
      return [((contender.diskBytes() ?? 0) - before) / LARGE_PUBLISHES]
    },
  },
]

/** @throws Error if the server refuses one */
async function publish(stage: Stage, repositories: number, tags: number, count: number): Promise<void> {
  const publishers = await stage.repositories('history', repositories, tags)
  const lanes = new Lanes(stage.contender)
  let left = count
  const { firstError } = await drive(Infinity, publishers.length, async (lane) => {
    left -= 1
    if (left < 0) throw new Exhausted()
    await lanes.ask(lane, publishers[lane]!.next())
  })
  lanes.close()
  if (firstError !== undefined) throw new Error(firstError)
}
