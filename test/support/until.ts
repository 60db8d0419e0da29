import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds, enough for a busy machine; after that, waiting fails. */
const MOST = 60_000

/** Waits until a condition holds. @param what the condition, in words @throws AssertionError after a minute */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + MOST; Date.now() < end; await pause(20)) if (await isSo()) return
  assert.fail(`waited in vain for ${what}`)
}
