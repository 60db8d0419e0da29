import type { Log } from './log/log.ts'
import { createTrust, type Trust } from './repository/trust.ts'
import type { Locks } from './repository/turns.ts'
import type { Settings } from './settings/schema.ts'
import type { Signer } from './signing/signer.ts'
import type { Store } from './store/store.ts'

const DAY = 86_400_000

interface Parts {
  readonly store: Store
  readonly signer: Signer
  readonly log: Log
  /** Milliseconds since 1970; default: the real time. */
  readonly now?: (() => number) | undefined
}

/** Returns what the verbs work with, by the settings. @param locks undefined: no other thread changes repositories */
export function trustOver(
  { timestampLifeDays, snapshotLifeDays, gunPrefixes, limits }: Settings,
  { store, signer, log, now = Date.now }: Parts,
  locks?: Locks,
): Trust {
  const policy = {
    timestampLife: timestampLifeDays * DAY,
    snapshotLife: snapshotLifeDays * DAY,
    gunPrefixes,
    publishesWaitingPerGun: limits.publishesWaitingPerGun,
  }
  return createTrust({ store, signer, now, random: Math.random, policy, log }, locks)
}
