import { everythingThatEnds } from './admin/expiry.ts'
import type { World } from './admin/operation.ts'
import type { Metrics } from './http/metrics.ts'
import { startWatchingExpiry, type Ending } from './repository/expiry.ts'
import { startRenewing } from './repository/renew-loop.ts'
import { stageAgedKeys } from './repository/rotation-policy.ts'
import type { Settings } from './settings/schema.ts'

const DAY = 86_400_000

/**
 * What goes on without being asked: what must be signed anew, and what people must be told.
 *
 * @param tell a webhook, what ends soon; undefined: there is none
 */
export function startBackground(
  world: World,
  { renewIntervalSeconds }: Settings,
  metrics: Metrics,
  tell: ((found: readonly Ending[]) => Promise<void>) | undefined,
): { stop(): Promise<void> } {
  const { trust, keyAge } = world
  const renewing = startRenewing(trust, renewIntervalSeconds * 1000, (counts) => metrics.renewals(counts))
  const look = async (until: number): Promise<Ending[]> => {
    if (keyAge !== undefined) await stageAgedKeys(trust, keyAge)
    return everythingThatEnds(world, until)
  }
  const watching = startWatchingExpiry(trust, DAY, look, async (found) => {
    metrics.endings(found)
    await tell?.(found)
  })
  return { stop: async () => void (await Promise.all([renewing.stop(), watching.stop()])) }
}
