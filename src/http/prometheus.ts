import { createRequire } from 'node:module'
import type * as PromClient from 'prom-client'

const load = createRequire(import.meta.url)

/**
 * What counts from the start on, of prom-client: its whole loads OpenTelemetry for one metric of the process, which takes 25 ms
 * of a start. That is loaded when metrics are asked for.
 */
export const Counter = load('prom-client/lib/counter') as typeof PromClient.Counter
export const Gauge = load('prom-client/lib/gauge') as typeof PromClient.Gauge
export const Histogram = load('prom-client/lib/histogram') as typeof PromClient.Histogram
export const Registry = load('prom-client/lib/registry') as typeof PromClient.Registry
export type Registry = PromClient.Registry
