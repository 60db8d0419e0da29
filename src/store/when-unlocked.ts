import { setTimeout } from 'node:timers/promises'
import { TrustError } from '../errors.ts'

/** How long to wait for another process, milliseconds: most commands are done by then, and a server that starts answers. */
const WAIT_MAX = 10_000
/** Pause between two tries, milliseconds. */
const TRY_EVERY = 200

/** What to do while another process has the database open. */
export interface Waiting {
  /** Told once, when there is something to wait for. */
  readonly begins: () => void
  /** Asked after each try that failed; true: it is no use to wait. */
  readonly isInVain?: () => Promise<boolean>
  /** Milliseconds. */
  readonly most?: number
}

/**
 * Do something that needs the database. While another process has it open, which may be over in a moment, it is tried again.
 *
 * @throws whatever `open` throws; TrustError DATA_LOCKED if the other process does not let go of it in time
 */
export async function whenUnlocked<T>(open: () => Promise<T>, waiting: Waiting): Promise<T> {
  const { begins, isInVain = async () => false, most = WAIT_MAX } = waiting
  const end = performance.now() + most
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open()
    } catch (error) {
      const isLocked = error instanceof TrustError && error.code === 'DATA_LOCKED'
      if (!isLocked || performance.now() >= end || (await isInVain())) throw error
      if (attempt === 1) begins()
      await setTimeout(TRY_EVERY)
    }
  }
}
