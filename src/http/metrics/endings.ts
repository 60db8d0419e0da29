import { MISSING_KEYS, type Ending } from '../../repository/expiry.ts'
import { Gauge, type Registry } from './prometheus.ts'

/**
 * Registers what ends soon. It is looked for once a day, and told to the second.
 *
 * @param now milliseconds since 1970
 * @returns reports what was found, soonest first
 */
export function endingMetrics(registers: Registry[], now: () => number): (found: readonly Ending[]) => void {
  const endings = new Gauge({
    name: 'countersign_ending_within_60_days',
    help: 'Roles, certificates, tokens and aged keys that end within 60 days, or have ended; missing keys.',
    labelNames: ['what'] as const,
    registers,
  })
  const ended = new Gauge({
    name: 'countersign_ended',
    help: 'Those of them that have ended.',
    labelNames: ['what'] as const,
    registers,
  })
  /** Milliseconds since 1970. */
  const soonestOf = new Map<string, number>()
  const soonest = new Gauge({
    name: 'countersign_ending_soonest_seconds',
    help: 'Seconds until the first of the others ends; negative when it has since they were looked for.',
    labelNames: ['what'] as const,
    registers,
    collect() {
      for (const [what, expires] of soonestOf) this.set({ what }, (expires - now()) / 1000)
    },
  })
  return (found) => {
    for (const gauge of [endings, ended, soonest]) gauge.reset()
    soonestOf.clear()
    for (const [what, group] of Map.groupBy(found, kindOf)) {
      const ahead = group.filter(({ expires }) => expires > now())
      endings.set({ what }, group.length)
      ended.set({ what }, group.length - ahead.length)
      // One that has ended for good must not hide what ends next.
      if (ahead[0] !== undefined) soonestOf.set(what, ahead[0].expires)
    }
  }
}

function kindOf({ what }: Ending): string {
  if (what.startsWith('targets/')) return 'delegation'
  if (what.startsWith(MISSING_KEYS)) return MISSING_KEYS
  return what.startsWith('token ') ? 'token' : what
}
