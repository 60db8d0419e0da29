import { z } from 'zod'
import { allTokens, type ApiToken } from '../access/api-token.ts'
import { acceptClock } from '../repository/accept-clock.ts'
import { clockFault } from '../store/journal.ts'
import { shellQuoted } from '../tuf/gun.ts'
import { count, texts, time } from './answers.ts'
import { operation } from './operation.ts'

export const showClock = operation({
  name: 'clock.show',
  method: 'GET',
  path: '/clock',
  summary: "The server's time and the time of the last commit; nothing is signed if the clock has gone back.",
  action: 'admin',
  input: z.strictObject({}),
  answer: () =>
    z.object({
      now: time,
      lastCommit: time.nullable().meta({ description: 'time of the last commit; null: there is none' }),
      fault: z
        .string()
        .nullable()
        .meta({ description: 'why nothing is signed; null: the clock does not prevent signing' }),
    }),
  async run({ trust }) {
    const tail = trust.store.tail()
    const { number, time: last = 0 } = tail
    const now = trust.now()
    return {
      now: new Date(now).toISOString(),
      lastCommit: number === 0 ? null : new Date(last).toISOString(),
      fault: clockFault(tail, now) ?? null,
    }
  },
})

export const acceptTime = operation({
  name: 'clock.accept',
  method: 'POST',
  path: '/clock',
  summary:
    'Accept a clock that is behind the last commit because it was ahead at that time; what was signed then is signed again.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () =>
    z.object({
      accepted: z
        .boolean()
        .meta({ description: 'whether the clock had to be accepted; false: it is not behind the last commit' }),
      renewed: count.meta({
        description: 'number of repositories in which something had too long a life and was signed again',
      }),
      failed: count.meta({
        description:
          'number of repositories in which such a thing could not be signed again: the log says why; repeat the request',
      }),
      warnings: texts.meta({
        description: 'API tokens that were created while the clock was ahead, and so live longer than intended',
      }),
    }),
  async run({ trust }, _, actor) {
    // Before the commit: if tokens cannot be read, the clock is not accepted.
    const warnings = tokensAhead((await allTokens(trust.store)).values, trust.now())
    return { ...(await acceptClock(trust, actor)), warnings }
  },
})

/** Warns of tokens that were made while the clock was ahead. They keep their lifetime: whoever has one may need it. */
function tokensAhead(tokens: readonly ApiToken[], now: number): string[] {
  return tokens.flatMap(({ name, expires, revoked, createdAt }) => {
    if (revoked || expires === null || createdAt <= now) return []
    const day = new Date(expires).toISOString().slice(0, 10)
    return [
      `the token ${name} was created in the meantime and ends on ${day}: countersign token revoke ${shellQuoted(name)}, then create another one`,
    ]
  })
}
