import type { Contender } from './contender.ts'
import type { FigureMeasure } from './measure.ts'

const STARTS = 5

/** From the start of the process to its first response; keys and an empty store exist already. */
export const starts: FigureMeasure[] = [
  {
    name: 'start-empty',
    figures: [{ title: 'start without repositories', unit: 'ms', goal: 250 }],
    of: ['countersign', 'memory', 'postgres'],
    find: async ({ contender }) => [await quickestStart(contender, STARTS)],
  },
]

/** Returns the fastest of some starts, in milliseconds. */
export async function quickestStart(contender: Contender, starts: number): Promise<number> {
  let quickest = Infinity
  for (let start = 0; start < starts; start += 1) {
    await contender.restart()
    quickest = Math.min(quickest, contender.startedIn)
  }
  return quickest
}
