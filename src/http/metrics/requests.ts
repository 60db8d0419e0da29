import type * as PromClient from 'prom-client'
import { Counter, Histogram, type Registry } from './prometheus.ts'

/** Metrics that each thread counts for itself. */
export interface RequestMetrics {
  /** Counts a request. @param seconds from its parsed head to the end of its response */
  request(operation: string, method: string, status: number, seconds: number): void
  /** The key set of the token service was fetched, or could not be. */
  keySetFetched(succeeded: boolean): void
}

/** Codes that are reported before they are first sent. */
const FAILURES = ['500', '503']

/** The time series of one kind of request. */
interface Series {
  readonly count: PromClient.Counter.Internal
  readonly duration: PromClient.Histogram.Internal<'operation'>
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
  const keySets = new Counter({
    name: 'countersign_key_set_fetches_total',
    help: 'Fetches of the key set of the token service.',
    labelNames: ['result'] as const,
    registers,
  })
  for (const result of ['fetched', 'failed']) keySets.inc({ result }, 0)
  // Looking a series up by its labels costs as much as everything else here.
  const seriesOf = remembered((operation: string) =>
    remembered((given: string) => {
      const method = given.toLowerCase()
      // Without a zero before it, Prometheus would not see the first failure as an increase.
      for (const code of FAILURES) requests.inc({ operation, method, code }, 0)
      return remembered((status: number): Series => {
        const labels = { operation, method, code: String(status) }
        return { count: requests.labels(labels), duration: durations.labels({ operation }) }
      })
    }),
  )
  return {
    request(operation, method, status, seconds) {
      const series = seriesOf(operation)(method)(status)
      series.count.inc()
      series.duration.observe(seconds)
    },
    keySetFetched(succeeded) {
      keySets.inc({ result: succeeded ? 'fetched' : 'failed' })
    },
  }
}

/** Returns a function that remembers each result: for few keys, such as names of routes. */
function remembered<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new Map<Key, Value>()
  return (key) => {
    let value = made.get(key)
    if (value === undefined) made.set(key, (value = make(key)))
    return value
  }
}
