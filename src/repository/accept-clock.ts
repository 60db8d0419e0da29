import { TrustError } from '../errors.ts'
import { clockFault, mustBeSet } from '../store/journal.ts'
import type { Actor } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import { allGuns } from './all-guns.ts'
import { change } from './change.ts'
import { RENEWALS_AT_ONCE, type RenewalCounts } from './renewal/loop.ts'
import { isDue, renew } from './renewal/renew.ts'
import type { Trust } from './trust.ts'

/**
 * Accepts a clock that is before the last commit, because it was ahead then: a journal entry records this, and times go on
 * from there. Re-signs what was signed while the clock was ahead: clients would accept those documents until their far
 * expiry, and not notice if somebody withheld newer ones. The new documents have higher versions, so clients follow.
 *
 * May be repeated, to sign what could not be signed before.
 *
 * @returns whether the clock had to be accepted, and how many repositories were re-signed
 * @throws TrustError CLOCK if the clock was never set, STORE_UNAVAILABLE, CORRUPT; then the clock was not accepted
 */
export async function acceptClock(trust: Trust, actor: Actor): Promise<RenewalCounts & { accepted: boolean }> {
  const { store } = trust
  mustBeSet(trust.now())
  const accepted = clockFault(store.tail(), trust.now()) !== undefined
  // Read before the commit, so that after it only single repositories can fail, which are counted.
  const guns = await Array.fromAsync(allGuns(store))
  if (accepted) await change(trust, SERVER, async () => ({ kind: 'clock', actor }))
  const counts: RenewalCounts = { renewed: 0, failed: 0 }
  for (let at = 0; at < guns.length; at += RENEWALS_AT_ONCE) {
    await Promise.all(guns.slice(at, at + RENEWALS_AT_ONCE).map((gun) => renewAhead(trust, gun, counts)))
  }
  return { accepted, ...counts }
}

async function renewAhead(trust: Trust, gun: Gun, counts: RenewalCounts): Promise<void> {
  try {
    const head = trust.store.head(gun)
    if (head === undefined || !isDue(trust, gun, head, trust.now(), 'ahead')) return
    if (await renew(trust, gun, 'ahead')) counts.renewed += 1
  } catch (err) {
    if (!(err instanceof TrustError)) throw err
    counts.failed += 1
    trust.log.error({ gun, err }, 'renewal failed')
  }
}
