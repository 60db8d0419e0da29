import { setTimeout } from 'node:timers/promises'
import { TrustError } from '../errors.ts'

/** How long to wait for another process, in milliseconds: enough for most commands, and for a server to start. */
const WAIT_MAX = 10_000
/** Pause between two attempts, in milliseconds. */
const TRY_EVERY = 200

/** What to do while another process has the database open. */
export interface Waiting {
  /** Called once, when the wait begins. */
  readonly onWait: () => void
  /** Called after each failed attempt; true if waiting is pointless. */
  readonly isFutile?: () => Promise<boolean>
  /** Milliseconds to wait at most. */
  readonly maxWait?: number
}

/**
 * Calls `open`, which needs the database, and retries while another process has the database open.
 *
 * @throws anything `open` throws; TrustError DATA_LOCKED if the other process does not close the database in time
 */
export async function whenUnlocked<T>(open: () => Promise<T>, waiting: Waiting): Promise<T> {
  const { onWait, isFutile = async () => false, maxWait = WAIT_MAX } = waiting
  const end = performance.now() + maxWait
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open()
    } catch (error) {
      const isLocked = error instanceof TrustError && error.code === 'DATA_LOCKED'
      if (!isLocked || performance.now() >= end || (await isFutile())) throw error
      if (attempt === 1) onWait()
      await setTimeout(TRY_EVERY)
    }
  }
}
