import type { Ending } from '../../repository/expiry.ts'
import type { RenewalCounts } from '../../repository/renewal/loop.ts'
import type { Trust } from '../../repository/trust.ts'
import { Counter, Gauge, Registry } from './prometheus.ts'
import { requestMetrics, type RequestMetrics } from './requests.ts'
import { registerStoreMetrics } from './store.ts'

/** All metrics, in a registry of their own. */
export interface Metrics extends RequestMetrics {
  readonly registry: Registry
  /** Counts a request to the admin API. */
  adminRequest(operation: string, status: number): void
  renewals(counts: RenewalCounts): void
  endings(found: readonly Ending[]): void
  /** The webhook was notified, or could not be. */
  webhook(delivered: boolean): void
  /** Number of damaged tables in the database. */
  damagedTables(count: number): void
  /** A backup was made. */
  backup(): void
}

/** @param dataDirectory of the database: the room on its disk is reported */
export function createMetrics(trust: Trust, dataDirectory: string): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const adminRequests = new Counter({
    name: 'countersign_admin_requests_total',
    help: 'Requests to the admin API by operation and status code.',
    labelNames: ['operation', 'code'] as const,
    registers,
  })
  const renewals = new Counter({
    name: 'countersign_renewals_total',
    help: 'Repositories whose timestamp, and what else was due, was re-signed in the background.',
    labelNames: ['result'] as const,
    registers,
  })
  const endings = new Gauge({
    name: 'countersign_ending_within_60_days',
    help: 'Roles, certificates, tokens and aged keys that end within 60 days, or have ended.',
    labelNames: ['what'] as const,
    registers,
  })
  const ended = new Gauge({
    name: 'countersign_ended',
    help: 'Those of them that have ended.',
    labelNames: ['what'] as const,
    registers,
  })
  const soonest = new Gauge({
    name: 'countersign_ending_soonest_seconds',
    help: 'Seconds until the first of the others ends; negative when it has since they were looked for.',
    labelNames: ['what'] as const,
    registers,
    // Looked for once a day, and told to the second.
    collect() {
      for (const [what, expires] of soonestOf) this.set({ what }, (expires - trust.now()) / 1000)
    },
  })
  const soonestOf = new Map<string, number>()
  const deliveries = new Counter({
    name: 'countersign_webhook_total',
    help: 'Messages to the webhook.',
    labelNames: ['result'] as const,
    registers,
  })
  // Without a zero before it, Prometheus would not see the first failure as an increase.
  for (const result of ['delivered', 'failed']) deliveries.inc({ result }, 0)
  const damaged = new Gauge({
    name: 'countersign_damaged_tables',
    help: 'Tables of the database that are not as they were written, at the last look; there is one a day.',
    registers,
  })
  damaged.set(NaN)
  const backup = new Gauge({
    name: 'countersign_last_backup_timestamp_seconds',
    help: 'Time of the last backup, in seconds since 1970; until there is one, of the start.',
    registers,
  })
  backup.set(trust.now() / 1000)
  registerStoreMetrics(trust, dataDirectory, registers)
  return {
    registry,
    ...requestMetrics(registry),
    adminRequest(operation, status) {
      adminRequests.inc({ operation, code: String(status) })
    },
    renewals({ renewed, failed }) {
      renewals.inc({ result: 'renewed' }, renewed)
      renewals.inc({ result: 'failed' }, failed)
    },
    webhook(delivered) {
      deliveries.inc({ result: delivered ? 'delivered' : 'failed' })
    },
    damagedTables(count) {
      damaged.set(count)
    },
    backup() {
      backup.set(trust.now() / 1000)
    },
    endings(found) {
      endings.reset()
      ended.reset()
      soonest.reset()
      soonestOf.clear()
      const kindOf = ({ what }: Ending): string =>
        what.startsWith('targets/') ? 'delegation' : what.startsWith('token ') ? 'token' : what
      for (const [what, group] of Map.groupBy(found, kindOf)) {
        const ahead = group.filter(({ expires }) => expires > trust.now())
        endings.set({ what }, group.length)
        ended.set({ what }, group.length - ahead.length)
        // One that has ended for good must not hide what ends next. The soonest comes first.
        if (ahead[0] !== undefined) soonestOf.set(what, ahead[0].expires)
      }
    },
  }
}
