import type { FigureMeasure } from './measure.ts'

const STARTS = 5

/** From the start of the process to its first response; keys and an empty store exist already. */
export const starts: FigureMeasure[] = [
  {
    name: 'start-empty',
    figures: [{ title: 'start without repositories', unit: 'ms', goal: 250 }],
    of: ['countersign', 'memory', 'postgres'],
    async find(launch) {
      const contender = await launch()
      try {
        const took: number[] = []
        for (let start = 0; start < STARTS; start += 1) {
          await contender.restart()
          took.push(contender.startedIn)
        }
        return [Math.min(...took)]
      } finally {
        await contender.stop()
      }
    },
  },
]
