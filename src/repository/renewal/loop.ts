import type { Due } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import { repeat, type Repeating } from '../repeat.ts'
import type { Trust } from '../trust.ts'
import { renew } from './renew.ts'

/** Repositories renewed at the same time; they share disk writes. */
export const RENEWALS_AT_ONCE = 64
/** Pause before a renewal that failed is tried again, milliseconds. */
const RETRY_AFTER = 10 * 60_000

/** What one round did, in repositories. */
export interface RenewalCounts {
  renewed: number
  failed: number
}

/** Renewals that failed, with the time from which they may be tried again. */
type Postponed = Map<Gun, number>

/**
 * Renew everything that is due now. A repository whose renewal fails (its root has expired, say) is logged, postponed
 * and does not hold up the others.
 *
 * @param counts told as it goes, also of a round that fails
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE if what is due cannot be read
 */
export async function renewDue(
  trust: Trust,
  postponed: Postponed = new Map(),
  counts: RenewalCounts = { renewed: 0, failed: 0 },
): Promise<RenewalCounts> {
  const now = trust.now()
  // Later than any postponement from now: the clock was put back, by years perhaps.
  for (const [gun, time] of postponed) if (time <= now || time > now + RETRY_AFTER) postponed.delete(gun)
  let due: Due[] = []
  do {
    // Where nothing can be written it is no use to sign; the next round sees.
    if (!trust.store.readiness().writable) break
    // Those that fail stay in the index: they are not read again with each batch.
    due = await trust.store.due(trust.now(), RENEWALS_AT_ONCE, due.at(-1))
    const batch = due.filter(({ gun }) => !postponed.has(gun))
    await Promise.all(batch.map(({ gun }) => renewOne(trust, gun, postponed, counts)))
  } while (due.length > 0)
  return counts
}

async function renewOne(trust: Trust, gun: Gun, postponed: Postponed, counts: RenewalCounts): Promise<void> {
  try {
    if (await renew(trust, gun, 'due')) counts.renewed += 1
    // Nothing to renew, and named as due: done by somebody else meanwhile, or left in a broken index. Not again at once.
    else postponed.set(gun, trust.now() + RETRY_AFTER)
  } catch (error) {
    counts.failed += 1
    postponed.set(gun, trust.now() + RETRY_AFTER)
    trust.log.error({ gun, err: error }, 'renewal failed')
  }
}

/**
 * Renew in the background, one round after the other.
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
      // Also of a round that fails, at the list of what is due: until then it has renewed them.
      if (counts.renewed > 0 || counts.failed > 0) trust.log.info({ ...counts }, 'renewed timestamps')
      after(counts)
    }
  })
}
