import type { Due } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import { repeat, type Repeating } from '../repeat.ts'
import type { Trust } from '../trust.ts'
import { renew } from './renew.ts'

/** How many repositories are renewed at the same time; they share disk writes. */
export const RENEWALS_AT_ONCE = 64
/** Pause before a failed renewal is tried again, in milliseconds. */
const RETRY_AFTER = 10 * 60_000

/** The result of a round, in repositories. */
export interface RenewalCounts {
  renewed: number
  failed: number
}

/** Failed renewals, with the time from which they may be tried again. */
type Postponed = Map<Gun, number>

/**
 * Renews everything that is due now. Logs and postpones a repository whose renewal fails, such as one whose root has
 * expired, and goes on with the others.
 *
 * @param counts updated on the way, so that it is right even if the round fails
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE if the due repositories cannot be read
 */
export async function renewDue(
  trust: Trust,
  postponed: Postponed = new Map(),
  counts: RenewalCounts = { renewed: 0, failed: 0 },
): Promise<RenewalCounts> {
  const now = trust.now()
  // A time later than any postponement from now means that the clock was set back, perhaps by years.
  for (const [gun, time] of postponed) if (time <= now || time > now + RETRY_AFTER) postponed.delete(gun)
  let due: Due[] = []
  do {
    // Signing is useless if nothing can be written; the next round tries again.
    if (!trust.store.readiness().writable) break
    // Failed ones stay in the index: continue after them instead of reading them again with each batch.
    due = await trust.store.due(trust.now(), RENEWALS_AT_ONCE, due.at(-1))
    const batch = due.filter(({ gun }) => !postponed.has(gun))
    await Promise.all(batch.map(({ gun }) => renewOne(trust, gun, postponed, counts)))
  } while (due.length > 0)
  return counts
}

async function renewOne(trust: Trust, gun: Gun, postponed: Postponed, counts: RenewalCounts): Promise<void> {
  try {
    if (await renew(trust, gun, 'due')) counts.renewed += 1
    // In the index, but nothing to renew: somebody else did it meanwhile, or the index is wrong. Do not retry at once.
    else postponed.set(gun, trust.now() + RETRY_AFTER)
  } catch (error) {
    counts.failed += 1
    postponed.set(gun, trust.now() + RETRY_AFTER)
    trust.log.error({ gun, err: error }, 'renewal failed')
  }
}

/**
 * Renews in the background, one round after the other.
 *
 * @param interval milliseconds between rounds
 * @param after called after each round; for metrics
 */
export function startRenewing(trust: Trust, interval: number, after: (counts: RenewalCounts) => void): Repeating {
  const postponed: Postponed = new Map()
  return repeat('a round of renewals', interval, trust.log, async () => {
    const counts: RenewalCounts = { renewed: 0, failed: 0 }
    try {
      await renewDue(trust, postponed, counts)
    } finally {
      // Report a failed round too: until it failed it has renewed some.
      if (counts.renewed > 0 || counts.failed > 0) trust.log.info({ ...counts }, 'renewed timestamps')
      after(counts)
    }
  })
}
