import { drive, Exhausted, Lanes } from './load.ts'
import type { RateMeasure } from './measure.ts'
import { Publisher } from './publisher.ts'
import { createRepository } from './stage.ts'

const PUBLISHERS = 4
const TAGS = 10
/** Publishers prepared for each second: more than the fastest server can handle. */
const PER_SECOND = 800

let made = 0

/** Does what `docker trust sign` does first; makes the publishers' keys and certificates before the clock starts. */
export const newRepository: RateMeasure[] = [
  {
    name: 'new-repository',
    title: `new repository (2 keys asked for, root and targets published), ${PUBLISHERS} publishers`,
    goals: { memory: { rate: 2 }, postgres: { rate: 25 } },
    async prepare(stage, seconds) {
      const publishers = Array.from(
        { length: PER_SECOND * seconds },
        () => new Publisher(`bench.example/new/r${made++}`, TAGS),
      )
      return async (duration) => {
        const lanes = new Lanes(stage.contender)
        const outcome = await drive(duration, PUBLISHERS, async (lane) => {
          const publisher = publishers.pop()
          if (publisher === undefined) throw new Exhausted()
          await createRepository(lanes, lane, publisher)
        })
        lanes.close()
        return outcome
      }
    },
  },
]
