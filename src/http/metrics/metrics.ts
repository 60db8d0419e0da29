import type { Ending } from '../../repository/expiry.ts'
import type { RenewalCounts } from '../../repository/renewal/loop.ts'
import type { Trust } from '../../repository/trust.ts'
import { endingMetrics } from './endings.ts'
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
  // Without a zero before it, Prometheus would not see the first failure as an increase.
  for (const result of ['renewed', 'failed']) renewals.inc({ result }, 0)
  const endings = endingMetrics(registers, trust.now)
  const deliveries = new Counter({
    name: 'countersign_webhook_total',
    help: 'Messages to the webhook.',
    labelNames: ['result'] as const,
    registers,
  })
  for (const result of ['delivered', 'failed']) deliveries.inc({ result }, 0)
  const damaged = new Gauge({
    name: 'countersign_damaged_tables',
    help: 'Tables of the database that are not as they were written, at the last look, once a day; NaN before the first.',
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
    endings,
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
  }
}
