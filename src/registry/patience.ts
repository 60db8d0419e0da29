import { setTimeout as sleep } from 'node:timers/promises'
import { discard } from './ask.ts'
import { retryAfter } from './refusal.ts'
import { isUntrusted } from './trust-authority.ts'

/** Sends a request, perhaps several times, and returns the last response. */
export type Patiently = (send: () => Promise<Response>) => Promise<Response>

/** Sends it once. */
export const impatiently: Patiently = (send) => send()

/** Seconds to wait if the server does not say how long. */
const WAIT = 10
/** Seconds to wait in a row: a server that wants to be left alone for longer answers no other request in time either. */
const WAITS_MAX = 600
/** Seconds to wait for a server that no longer answers: as long as a restart takes. */
const RESTARTS = [1, 3, 10]
/** Requests in a row without an answer until no more are sent; a few might be about one repository. */
const UNANSWERED_MAX = 3

/**
 * Returns a function for whoever reads hundreds of repositories of one server, and would otherwise fail with all but the
 * first, each time:
 *
 * - After 429, sends a request again when the server wants to be asked again. Once the waits in a row exceed ten minutes,
 *   returns each 429 at once, until the server answers something else.
 * - If the server answers no longer, waits for its restart. Once three requests in a row had no answer, sends nothing more,
 *   and fails with the same error at once: each of hundreds could take half a minute.
 *
 * @param say is told how many seconds each wait takes, and why: "answers 429"
 */
export function patience(
  say: (seconds: number, why: string) => void,
  pause: (ms: number) => Promise<unknown> = sleep,
): Patiently {
  let waited = 0
  let answered = false
  let unanswered = 0
  let gone: unknown
  const wait = async (seconds: number, why: string): Promise<void> => {
    say(seconds, why)
    await pause(seconds * 1_000)
  }
  const answer = async (send: () => Promise<Response>): Promise<Response> => {
    for (let tries = 0; ; tries += 1) {
      try {
        const response = await send()
        answered = true
        unanswered = 0
        return response
      } catch (error) {
        // Nothing mends by itself here, but the caller may trust more authorities, and try again.
        if (isUntrusted(error)) throw error
        const seconds = answered && unanswered === 0 ? RESTARTS[tries] : undefined
        if (seconds === undefined) {
          unanswered += 1
          if (unanswered === UNANSWERED_MAX) gone = error
          throw error
        }
        await wait(seconds, 'does not answer')
      }
    }
  }
  return async (send) => {
    for (;;) {
      if (gone !== undefined) throw gone
      const response = await answer(send)
      if (response.status !== 429) {
        waited = 0
        return response
      }
      const seconds = Math.max(1, retryAfter(response) ?? WAIT)
      if (waited + seconds > WAITS_MAX) return response
      waited += seconds
      await discard(response)
      await wait(seconds, 'answers 429')
    }
  }
}
