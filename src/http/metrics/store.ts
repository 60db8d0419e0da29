import { TrustError } from '../../errors.ts'
import { stagedRoots } from '../../repository/roots/staged.ts'
import type { Trust } from '../../repository/trust.ts'
import { Gauge, type Registry } from './prometheus.ts'

/** Due renewals that are counted; more than this is "many". */
const DUE_MAX = 10_000
/** The same of roots that wait. */
const WAITING_MAX = 1_000
/** Repositories that are passed over when they are damaged. */
const DAMAGED_MAX = 100

/** What the store and the keys are like: read at each scrape, so that what is shown is what is so. */
export function registerStoreMetrics(trust: Trust, registers: Registry[]): void {
  new Gauge({
    name: 'countersign_store_writable',
    help: '1, or 0 while a failed write is being recovered from.',
    registers,
    collect() {
      this.set(trust.store.readiness().writable ? 1 : 0)
    },
  })
  new Gauge({
    name: 'countersign_signer_usable',
    help: '1, or 0 while the token that holds private keys cannot be reached.',
    registers,
    collect() {
      this.set(trust.signer.readiness().usable ? 1 : 0)
    },
  })
  new Gauge({
    name: 'countersign_commits',
    help: 'Entries in the journal.',
    registers,
    collect() {
      this.set(trust.store.tail().number)
    },
  })
  new Gauge({
    name: 'countersign_timestamps_due',
    help: 'Repositories whose timestamp is past half its life and not yet re-signed.',
    registers,
    async collect() {
      this.set(await known(async () => (await trust.store.due(trust.now(), DUE_MAX)).length))
    },
  })
  new Gauge({
    name: 'countersign_roots_waiting',
    help: 'Roots that wait for signatures.',
    registers,
    async collect() {
      this.set(await known(() => rootsWaiting(trust)))
    },
  })
  new Gauge({
    name: 'countersign_min_seconds_to_timestamp_expiry',
    help: 'Seconds until the first timestamp expires; +Inf while there is none.',
    registers,
    async collect() {
      this.set(await known(async () => ((await firstTimestampExpiry(trust)) - trust.now()) / 1000))
    },
  })
}

/** What the store cannot tell at the moment is no number; all other metrics are told, and that it is not writable. */
async function known(look: () => Promise<number>): Promise<number> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof TrustError) return NaN
    throw error
  }
}

async function rootsWaiting(trust: Trust): Promise<number> {
  let waiting = 0
  for await (const _ of stagedRoots(trust)) {
    waiting += 1
    if (waiting === WAITING_MAX) break
  }
  return waiting
}

/** Milliseconds since 1970; Infinity while there is no timestamp. Of a damaged repository it is not known: the next one counts. */
async function firstTimestampExpiry({ store }: Trust): Promise<number> {
  for (const { gun } of await store.due(Number.MAX_SAFE_INTEGER - 1, DAMAGED_MAX)) {
    const expires = await known(async () => store.head(gun)?.roles['timestamp']?.expires ?? NaN)
    if (!Number.isNaN(expires)) return expires
  }
  return Infinity
}
