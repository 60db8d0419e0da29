import type { Trust } from '../repository/trust.ts'
import { clockFault } from '../store/journal.ts'
import { Registry } from './metrics/prometheus.ts'

/** Health and metrics of the whole process, whichever thread answers. */
export interface Overview {
  /** Returns why the process is not ready, by the name of each failed check; empty if it is ready. */
  unready(): Promise<Readonly<Record<string, string>>>
  /** Returns metrics in Prometheus' text format. */
  metrics(): Promise<string>
}

/** One thread's metrics, in the form in which they go to another thread. */
export type CountedMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

/**
 * @param accepting false from SIGTERM on
 * @param others returns the metrics of other threads
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
      // Metrics of the process: the first scrape starts to collect them.
      if (!collecting) collectDefaultMetrics({ register: registry })
      collecting = true
      const counted = await others()
      if (counted.length === 0) return registry.metrics()
      const own = (await registry.getMetricsAsJSON()).map(ofOneProcess)
      return AggregatorRegistry.aggregate([own, ...counted]).metrics()
    },
  }
}

/** Keeps metrics that merging would drop because several processes would differ: these are threads of a single one. */
function ofOneProcess(metric: CountedMetrics[number]): CountedMetrics[number] {
  return metric.aggregator === 'omit' ? { ...metric, aggregator: 'first' } : metric
}
