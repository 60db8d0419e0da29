import { createApp } from '../../src/http/app.ts'
import { newCount, newCounts } from '../../src/http/count.ts'
import { createMetrics } from '../../src/http/metrics/metrics.ts'
import { overviewOf } from '../../src/http/overview.ts'
import { listen } from '../../src/http/server.ts'
import type { Log } from '../../src/log/log.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { PLAIN_HTTP_WORDS, settingsSchema, type SettingsInput } from '../../src/settings/schema.ts'
import type { Endpoint } from './exchange.ts'
import { openLocalTrust } from './local-trust.ts'

/** A line of the log as it was written. */
export interface Line extends Record<string, unknown> {
  readonly level: 'info' | 'warn' | 'error'
  readonly text: string
}

interface LocalAppOptions {
  /** Milliseconds since 1970; the present by default. */
  readonly now?: number
  readonly settings?: SettingsInput
  /** Replaces parts, for example by one that fails. */
  readonly alter?: (trust: Trust) => Partial<Trust>
}

/** The HTTP layer over a real store, on a real socket without TLS; keeps its log. */
export interface LocalApp extends Endpoint {
  readonly trust: Trust
  readonly clock: { now: number }
  readonly lines: Line[]
  /** What `/healthz/ready` reports from now on. */
  accepting: boolean
  /** Stops listening, as at SIGTERM. */
  stopListening(): Promise<void>
  /** Stops and removes everything. */
  close(): Promise<void>
}

export async function startLocalApp(options: LocalAppOptions = {}): Promise<LocalApp> {
  const local = await openLocalTrust(options.now ?? Date.now())
  const lines: Line[] = []
  const trust: Trust = { ...local.trust, log: keptLog(lines), ...options.alter?.(local.trust) }
  const settings = settingsSchema.parse({
    ...options.settings,
    listen: { port: 0, plainHttp: PLAIN_HTTP_WORDS, ...options.settings?.listen },
  })
  const metrics = createMetrics(trust, local.directory)
  const accepting = (): boolean => running.accepting
  const app = createApp({
    trust,
    settings,
    metrics,
    overview: overviewOf(trust, metrics.registry, accepting, async () => []),
    accepting,
    parked: newCounts(),
    publishing: newCount(),
  })
  const listening = await listen(app, settings, undefined)
  let stopped: Promise<void> | undefined
  const stopListening = (): Promise<void> => (stopped ??= listening.close())
  const running: LocalApp = {
    url: `http://localhost:${listening.port}`,
    trust,
    clock: local.clock,
    lines,
    accepting: true,
    stopListening,
    async close() {
      await stopListening()
      await local.close()
    },
  }
  return running
}

export function keptLog(lines: Line[]): Log {
  const keep =
    (level: Line['level']) =>
    (facts: object, text: string): void => {
      // As in JSON, omit undefined fields.
      const told = Object.entries(facts).filter(([, value]) => value !== undefined)
      lines.push({ ...Object.fromEntries(told), level, text })
    }
  return { info: keep('info'), warn: keep('warn'), error: keep('error') }
}
