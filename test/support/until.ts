import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds, enough for a machine that has much else to do: whoever waits in vain is told so in the end. */
const MOST = 60_000

/** Wait until it is so. @param what is waited for, in words @throws AssertionError after a minute */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + MOST; Date.now() < end; await pause(20)) if (await isSo()) return
  assert.fail(`waited in vain for ${what}`)
}
