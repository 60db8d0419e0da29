import type { Trust } from '../repository/trust.ts'
import { clockFault } from '../store/journal.ts'
import { Registry } from './metrics/prometheus.ts'

/** What is told of the whole process, whichever of its threads is asked. */
export interface Overview {
  /** Why it is not ready, by the name of the check; empty: it is. */
  unready(): Promise<Readonly<Record<string, string>>>
  /** In Prometheus' text form. */
  metrics(): Promise<string>
}

/** What one thread has counted, on its way to another one. */
export type CountedMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

/**
 * @param accepting false from the moment of SIGTERM on
 * @param others what other threads have counted
 */
export function overviewOf(
  { store, signer, now }: Pick<Trust, 'store' | 'signer' | 'now'>,
  registry: Registry,
  accepting: () => boolean,
  others: () => Promise<readonly CountedMetrics[]>,
): Overview {
  let collecting = false
  return {
    async unready() {
      const { writable, reason } = store.readiness()
      const keys = signer.readiness()
      const clock = clockFault(store.tail(), now())
      return {
        ...(writable ? {} : { store: reason ?? 'not writable' }),
        ...(keys.usable ? {} : { signer: keys.reason ?? 'not usable' }),
        ...(clock === undefined ? {} : { clock }),
        ...(accepting() ? {} : { server: 'shutting down' }),
      }
    },
    async metrics() {
      const { AggregatorRegistry, collectDefaultMetrics } = await import('prom-client')
      // Those of the process: the first who asks begins to collect them.
      if (!collecting) collectDefaultMetrics({ register: registry })
      collecting = true
      const counted = await others()
      if (counted.length === 0) return registry.metrics()
      const own = (await registry.getMetricsAsJSON()).map(ofOneProcess)
      return AggregatorRegistry.aggregate([own, ...counted]).metrics()
    },
  }
}

/** Of several processes nobody could tell whose start is meant, and it would be left out: these are threads of one. */
function ofOneProcess(metric: CountedMetrics[number]): CountedMetrics[number] {
  return metric.aggregator === 'omit' ? { ...metric, aggregator: 'first' } : metric
}
