import { TrustError } from '../errors.ts'
import { clockFault } from '../store/journal.ts'
import type { Actor } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import { allGuns } from './all-guns.ts'
import { change } from './change.ts'
import { RENEWALS_AT_ONCE, type RenewalCounts } from './renewal/loop.ts'
import { isDue, renew } from './renewal/renew.ts'
import { signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'

/**
 * Go on with a clock that stands before the last commit, since it was ahead then: an entry of the journal says so, and times
 * go on from there. What was signed meanwhile is signed anew: else clients would believe it until then, and take no notice if
 * somebody kept newer documents from them. It has higher versions, so clients follow.
 *
 * May be repeated, to sign what could not be signed.
 *
 * @returns whether the clock had to be accepted, and what was signed anew, in repositories
 * @throws TrustError STORE_UNAVAILABLE, CORRUPT: then the clock was not accepted
 */
export async function acceptClock(trust: Trust, actor: Actor): Promise<RenewalCounts & { accepted: boolean }> {
  const { store } = trust
  const accepted = clockFault(store.tail(), trust.now()) !== undefined
  // Read before the commit: afterwards nothing but single repositories can fail, and those are counted.
  const guns = await Array.fromAsync(allGuns(store))
  if (accepted) await change(trust, SERVER, async () => ({ kind: 'clock', actor }))
  const counts: RenewalCounts = { renewed: 0, failed: 0 }
  let batch: Promise<void>[] = []
  for (const gun of guns) {
    batch.push(renewAhead(trust, gun, counts))
    if (batch.length < RENEWALS_AT_ONCE) continue
    await Promise.all(batch)
    batch = []
  }
  await Promise.all(batch)
  return { accepted, ...counts }
}

async function renewAhead(trust: Trust, gun: Gun, counts: RenewalCounts): Promise<void> {
  try {
    const head = trust.store.head(gun)
    if (head === undefined || !signedHere(head) || !isDue(trust, gun, head, trust.now(), 'ahead')) return
    if (await renew(trust, gun, 'ahead')) counts.renewed += 1
  } catch (err) {
    if (!(err instanceof TrustError)) throw err
    counts.failed += 1
    trust.log.error({ gun, err }, 'renewal failed')
  }
}
