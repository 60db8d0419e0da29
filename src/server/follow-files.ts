import { TrustError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { repeat, type Repeating } from '../repository/repeat.ts'

/**
 * Look again and again for files that somebody may have replaced. A look that is refused changes nothing, and why is
 * logged once, not at each look; what else is thrown is a fault of ours.
 *
 * @param what new TLS certificates, say
 * @param use what cannot be done with them: be served, say
 * @param interval milliseconds between two looks
 * @param looks each is done, also where one before it was refused; the first reason is told
 */
export function followFiles(
  { what, use }: { readonly what: string; readonly use: string },
  interval: number,
  log: Log,
  looks: readonly (() => Promise<void>)[],
): Repeating {
  let said: string | undefined
  return repeat(`the look for ${what}`, interval, log, async () => {
    let reason: string | undefined
    for (const look of looks) {
      const refusal = await refusalOf(look)
      reason ??= refusal
    }
    if (reason !== undefined && reason !== said) log.warn({ reason }, `${what} cannot be ${use}`)
    said = reason
  })
}

/** Why something was refused; undefined: it was done. */
async function refusalOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    return error.message
  }
}
