import type { Due } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import { repeat, type Repeating } from '../repeat.ts'
import type { Trust } from '../trust.ts'
import { renew } from './renew.ts'

/** How many repositories are renewed at the same time; they share disk writes. */
export const RENEWALS_AT_ONCE = 64
/** Pause before a failed renewal is tried again, in milliseconds. */
const RETRY_AFTER = 10 * 60_000
/** The same if root has expired. Only a new root helps, and it brings a new timestamp: this repeats the report daily. */
const RETRY_EXPIRED_AFTER = 24 * 60 * 60_000

/** The result of a round, in repositories. */
export interface RenewalCounts {
  renewed: number
  failed: number
}

/** Failed renewals, and for how long they are not tried again, in milliseconds. */
type Postponed = Map<Gun, { readonly since: number; readonly pause: number }>

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
  // The clock may have been set back since, perhaps by years.
  for (const [gun, { since, pause }] of postponed) if (now < since || now >= since + pause) postponed.delete(gun)
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
    else postponed.set(gun, { since: trust.now(), pause: RETRY_AFTER })
  } catch (error) {
    counts.failed += 1
    const isOver = rootHasExpired(trust, gun)
    postponed.set(gun, { since: trust.now(), pause: isOver ? RETRY_EXPIRED_AFTER : RETRY_AFTER })
    // Nothing is wrong with the server then.
    trust.log[isOver ? 'warn' : 'error']({ gun, err: error }, 'renewal failed')
  }
}

function rootHasExpired({ store, now }: Trust, gun: Gun): boolean {
  try {
    return (store.head(gun)?.roles['root']?.expires ?? Infinity) < now()
  } catch {
    return false
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
