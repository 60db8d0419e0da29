import { setTimeout } from 'node:timers/promises'
import { collectEndings } from '../admin/expiry.ts'
import type { World } from '../admin/operation.ts'
import type { Metrics } from '../http/metrics/metrics.ts'
import type { Log } from '../log/log.ts'
import { startWatchingExpiry, type Ending } from '../repository/expiry.ts'
import { startRenewing } from '../repository/renewal/loop.ts'
import { repeat, type Repeating } from '../repository/repeat.ts'
import { stageAgedKeys } from '../repository/roots/rotation-policy.ts'
import type { Trust } from '../repository/trust.ts'
import type { Settings } from '../settings/schema.ts'
import { checkTables } from '../store/database/damaged-files.ts'
import { disarm } from '../store/database/disarm.ts'

const DAY = 86_400_000
/** Milliseconds between two tables of the database that are checked; one takes a tenth of that. */
const PAUSE = 50

/**
 * Starts the loops that run unasked: renewal of what would expire, and warnings for people.
 *
 * @param tell reports to a webhook what ends soon; undefined: there is none
 */
export function startBackground(
  world: Pick<World, 'trust' | 'certificates' | 'keyAge' | 'keyFault'>,
  { renewIntervalSeconds, dataDirectory }: Settings,
  metrics: Metrics,
  tell: ((found: readonly Ending[]) => Promise<void>) | undefined,
): { stop(): Promise<void> } {
  const { trust, keyAge } = world
  const renewing = startRenewing(trust, renewIntervalSeconds * 1000, (counts) => metrics.renewals(counts))
  const findEndings = async (until: number, stopping: AbortSignal): Promise<Ending[]> => {
    if (keyAge !== undefined) await stageAgedKeys(trust, keyAge)
    return collectEndings(world, until, stopping)
  }
  const watching = startWatchingExpiry(trust, DAY, findEndings, async (found) => {
    metrics.endings(found)
    await tell?.(found)
  })
  const checkingTables = startCheckingTables(trust, dataDirectory, (count) => metrics.damagedTables(count))
  return { stop: async () => void (await Promise.all([renewing.stop(), watching.stop(), checkingTables.stop()])) }
}

/**
 * Checks the tables of the database at the start and daily, to notice bit rot in unread data while backups are still good.
 *
 * @param after called with the number of damaged tables
 */
function startCheckingTables({ log }: Trust, directory: string, after: (damaged: number) => void): Repeating {
  return repeat('the check of the tables of the database', DAY, log, async (stopping) => {
    const damaged = await reportDamage(directory, log, async () => {
      await setTimeout(PAUSE, undefined, { ref: false, signal: stopping }).catch(() => undefined)
      return !stopping.aborted
    })
    if (damaged !== undefined) after(damaged)
  })
}

/**
 * Logs what is wrong with the tables of a database, and checks them without letting damage end the process.
 *
 * @param goOn called after each table; false: stop
 * @returns how many are damaged; undefined if `goOn` stopped it
 */
export async function reportDamage(
  directory: string,
  log: Log,
  goOn: () => Promise<boolean> = async () => true,
): Promise<number | undefined> {
  let damaged = 0
  for await (const damage of checkTables(directory)) {
    if (damage !== undefined) {
      damaged += 1
      const { text } = await disarm(damage)
      log.error({ reason: text }, 'the database is damaged')
      // In case the damage ends the process anyway.
      log.flush?.()
    }
    if (!(await goOn())) return undefined
  }
  return damaged
}
