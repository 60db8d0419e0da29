import { TrustError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { repeat, type Repeating } from '../repository/repeat.ts'

/**
 * Looks periodically for files that somebody may have replaced. A refused look changes nothing, and its reason is
 * logged once, not at each look. Any other error is our own fault.
 *
 * @param what for example: new TLS certificates
 * @param use what cannot be done with them, for example: served
 * @param interval milliseconds between two looks
 * @param looks all are done, even after one is refused; the first reason is logged
 */
export function followFiles(
  { what, use }: { readonly what: string; readonly use: string },
  interval: number,
  log: Log,
  looks: readonly (() => Promise<void>)[],
): Repeating {
  let said: string | undefined
  return repeat(`the check for ${what}`, interval, log, async () => {
    let reason: string | undefined
    for (const look of looks) {
      const refusal = await refusalOf(look)
      reason ??= refusal
    }
    if (reason !== undefined && reason !== said) log.warn({ reason }, `${what} cannot be ${use}`)
    said = reason
  })
}

/** Returns why the work was refused; undefined: it was done. */
async function refusalOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    return error.message
  }
}
