import type * as PromClient from 'prom-client'
import { TrustError } from '../errors.ts'
import type { Ending } from '../repository/expiry.ts'
import type { RenewalCounts } from '../repository/renew-loop.ts'
import { stagedRoots } from '../repository/staged-root.ts'
import type { Trust } from '../repository/trust.ts'
import { Counter, Gauge, Histogram, Registry } from './prometheus.ts'

/** What each thread counts for itself. */
export interface RequestMetrics {
  /** A request that was answered. @param seconds from its first byte to the end of its answer */
  request(operation: string, method: string, status: number, seconds: number): void
}

/** Everything that is measured, in a registry of its own. */
export interface Metrics extends RequestMetrics {
  readonly registry: Registry
  renewals(counts: RenewalCounts): void
  endings(found: readonly Ending[]): void
  /** The webhook was told, or could not be. */
  webhook(delivered: boolean): void
}

/** What one kind of request is counted in. */
interface Series {
  readonly count: PromClient.Counter.Internal
  readonly duration: PromClient.Histogram.Internal<'operation'>
}

/** Due renewals that are counted; more than this is "many". */
const DUE_MAX = 10_000
/** The same of roots that wait. */
const WAITING_MAX = 1_000
/** Repositories that are passed over when they are damaged. */
const DAMAGED_MAX = 100

/** @param trust read at each scrape, so that what is shown is what is so */
export function createMetrics(trust: Trust): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const renewals = new Counter({
    name: 'countersign_renewals_total',
    help: 'Repositories whose timestamp, and what else was due, was re-signed in the background.',
    labelNames: ['result'] as const,
    registers,
  })
  const endings = new Gauge({
    name: 'countersign_ending_within_60_days',
    help: 'Roles, root certificates, tokens, certificates and aged keys that only people can renew.',
    labelNames: ['what'] as const,
    registers,
  })
  const soonest = new Gauge({
    name: 'countersign_ending_soonest_seconds',
    help: 'Seconds until the first of them ends; negative when it has.',
    labelNames: ['what'] as const,
    registers,
  })
  const deliveries = new Counter({
    name: 'countersign_webhook_total',
    help: 'Messages to the webhook.',
    labelNames: ['result'] as const,
    registers,
  })
  registerStoreMetrics(trust, registers)
  return {
    registry,
    ...requestMetrics(registry),
    renewals({ renewed, failed }) {
      renewals.inc({ result: 'renewed' }, renewed)
      renewals.inc({ result: 'failed' }, failed)
    },
    webhook(delivered) {
      deliveries.inc({ result: delivered ? 'delivered' : 'failed' })
    },
    endings(found) {
      endings.reset()
      soonest.reset()
      for (const { what, expires } of found.toReversed()) {
        const kind = what.startsWith('targets/') ? 'delegation' : what.startsWith('token ') ? 'token' : what
        endings.inc({ what: kind })
        soonest.set({ what: kind }, (expires - trust.now()) / 1000)
      }
    },
  }
}

export function requestMetrics(registry: Registry): RequestMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'notary_server_http_requests_total',
    help: 'Requests by operation, method (lower case) and status code.',
    labelNames: ['operation', 'method', 'code'] as const,
    registers,
  })
  const durations = new Histogram({
    name: 'countersign_http_request_seconds',
    help: 'Time to answer a request.',
    labelNames: ['operation'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  })
  // Looking a series up by its labels costs as much as all the rest of it.
  const seriesOf = remembered((operation: string) =>
    remembered((method: string) =>
      remembered((status: number): Series => {
        const labels = { operation, method: method.toLowerCase(), code: String(status) }
        return { count: requests.labels(labels), duration: durations.labels({ operation }) }
      }),
    ),
  )
  return {
    request(operation, method, status, seconds) {
      const series = seriesOf(operation)(method)(status)
      series.count.inc()
      series.duration.observe(seconds)
    },
  }
}

function registerStoreMetrics(trust: Trust, registers: Registry[]): void {
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

/** The same function, that makes each answer once and keeps it: for few keys, as names of routes are. */
function remembered<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new Map<Key, Value>()
  return (key) => {
    let value = made.get(key)
    if (value === undefined) made.set(key, (value = make(key)))
    return value
  }
}
