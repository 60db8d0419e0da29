import { setTimeout as sleep } from 'node:timers/promises'
import { discard } from './ask.ts'

/** Sends a request, perhaps several times, and returns the last response. */
export type Patiently = (send: () => Promise<Response>) => Promise<Response>

/** Sends it once. */
export const impatiently: Patiently = (send) => send()

/** Seconds to wait if the server does not say how long. */
const WAIT = 10
/** Seconds to wait in a row: a server that wants to be left alone for longer answers no other request in time either. */
const WAITS_MAX = 600

/**
 * Returns a function that sends a request again after 429, when the server wants to be asked again: whoever reads hundreds
 * of repositories would otherwise fail with all but the first, each time. Once the waits in a row exceed ten minutes,
 * returns each 429 at once, until the server answers something else.
 *
 * @param say is told how many seconds each wait takes
 */
export function patience(say: (seconds: number) => void, pause: (ms: number) => Promise<unknown> = sleep): Patiently {
  let waited = 0
  return async (send) => {
    for (;;) {
      const response = await send()
      if (response.status !== 429) {
        waited = 0
        return response
      }
      const seconds = Math.max(1, Number(/^\d{1,6}$/.exec(response.headers.get('retry-after') ?? '')?.[0] ?? WAIT))
      if (waited + seconds > WAITS_MAX) return response
      waited += seconds
      await discard(response)
      say(seconds)
      await pause(seconds * 1_000)
    }
  }
}
