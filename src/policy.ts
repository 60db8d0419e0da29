import type { Policy } from './repository/trust.ts'
import type { Settings } from './settings/schema.ts'

const DAY = 86_400_000

/** What the settings say of the metadata that the server makes and takes. */
export function policyOf({ timestampLifeDays, snapshotLifeDays, gunPrefixes, limits }: Settings): Policy {
  return {
    timestampLife: timestampLifeDays * DAY,
    snapshotLife: snapshotLifeDays * DAY,
    gunPrefixes,
    publishesWaitingPerGun: limits.publishesWaitingPerGun,
  }
}
