import { createHmac } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { reasonOf, TrustError, unlessDamaged } from '../errors.ts'
import type { Metrics } from '../http/metrics/metrics.ts'
import { changeRecords, SERVER_ACTOR } from '../repository/change.ts'
import type { Ending } from '../repository/expiry.ts'
import type { Trust } from '../repository/trust.ts'
import type { Settings } from '../settings/schema.ts'
import { isTypable, readSecretFile } from '../signing/secret-file.ts'
import { withoutBlocking } from '../store/without-blocking.ts'
import { SERVER } from '../tuf/gun.ts'

/** Days before an expiry at which the webhook is notified. */
const THRESHOLDS = [60, 30, 7, 1]
const DAY = 86_400_000
/** Characters. */
const SECRET_MIN_LENGTH = 16
/** Milliseconds. */
const TIMEOUT = 10_000
/**
 * Pauses between tries, milliseconds; after the last one, the next day's round tries again. A receiver that is restarted
 * at the wrong moment must not cost one of few days.
 */
const PAUSES = [1_000, 10_000, 60_000, 600_000, 3_600_000]
/** Most endings of one message, and notices of one commit: on one day those of a whole migration may come due. */
const ENDINGS_MAX = 1_000

type Pause = (milliseconds: number) => Promise<unknown>

/** The last notice about one thing, stored so that each threshold is reported once. */
interface Notice {
  readonly expires: number
  readonly threshold: number
}

/** What is to be reported. */
interface Due {
  readonly ending: Ending
  readonly notice: Notice
}

/**
 * Returns a function that tells a webhook what ends soon, by a signed POST of JSON. `Countersign-Signature` is
 * `t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY` with the secret.
 *
 * @param closing aborted when the server stops: nothing waits any more
 * @param pause waits some milliseconds before the next try; replaced in tests
 * @returns undefined if there is no webhook
 * @throws TrustError BAD_KEYS if the secret cannot be read, or others can read it; BAD_SETTINGS if it is too short
 */
export async function webhookOf(
  { webhook: { url, secretFile } }: Settings,
  trust: Trust,
  metrics: Pick<Metrics, 'webhook'>,
  closing: AbortSignal,
  pause: Pause = (milliseconds) => setTimeout(milliseconds, undefined, { signal: closing }),
): Promise<((found: readonly Ending[]) => Promise<void>) | undefined> {
  if (url === undefined || secretFile === undefined) return undefined
  const content = await readSecretFile(secretFile, 'the setting webhook.secretFile')
  const secret = content.toString('utf8').trim()
  // As text, random bytes would lose some, and the receiver would compute another HMAC.
  const isShort = secret.length < SECRET_MIN_LENGTH
  if (!isTypable(content) || isShort) {
    const wrong = isShort ? `needs a secret of at least ${SECRET_MIN_LENGTH} characters` : 'is not text in UTF-8'
    throw new TrustError('BAD_SETTINGS', `${secretFile} ${wrong}`, {
      hint: '"openssl rand -hex 32" prints one; whoever receives the messages needs it too',
    })
  }
  const send = async (due: readonly Due[]): Promise<boolean> => {
    const body = JSON.stringify({
      event: 'expiry',
      endings: due.map(({ ending: { gun = null, what, expires } }) => {
        return { gun, what, ends: new Date(expires).toISOString(), daysLeft: daysLeft(trust, expires) }
      }),
    })
    const delivered = await deliver(trust, url, secret, body, closing, pause)
    metrics.webhook(delivered)
    if (!delivered) return false
    const records = due.map(({ ending, notice }) => ({ kind: 'notice' as const, name: nameOf(ending), value: notice }))
    await changeRecords(trust, SERVER_ACTOR, async () => [records, undefined])
    return true
  }
  return async (found) => {
    const due: Due[] = []
    for await (const ending of withoutBlocking(found)) {
      const notice = noticeOf(trust, ending)
      if (notice !== undefined) due.push({ ending, notice })
    }
    for (let at = 0; at < due.length; at += ENDINGS_MAX) {
      if (!(await send(due.slice(at, at + ENDINGS_MAX)))) return
    }
  }
}

/** Returns the threshold that was passed and not yet reported; undefined if there is nothing to report. */
function noticeOf(trust: Trust, ending: Ending): Notice | undefined {
  const threshold = Math.min(...THRESHOLDS.filter((days) => daysLeft(trust, ending.expires) < days))
  const last = lastNoticeOf(trust, ending)
  if (threshold === Infinity || (last?.expires === ending.expires && last.threshold <= threshold)) return undefined
  return { expires: ending.expires, threshold }
}

/** Returns the last notice. A damaged one counts as none: the ending is reported again, and the notice replaced. */
function lastNoticeOf({ store }: Trust, ending: Ending): Notice | undefined {
  return unlessDamaged(() => store.record('notice', nameOf(ending)) as Notice | undefined)
}

async function deliver(
  trust: Trust,
  url: string,
  secret: string,
  body: string,
  closing: AbortSignal,
  pause: Pause,
): Promise<boolean> {
  for (let attempt = 0; ; attempt += 1) {
    const seconds = Math.floor(trust.now() / 1000)
    const signature = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
    const headers = { 'Content-Type': 'application/json', 'Countersign-Signature': `t=${seconds},v1=${signature}` }
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT), closing])
      const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
      await response.body?.cancel()
      if (response.ok) return true
      trust.log.warn({ status: response.status, attempt }, 'the webhook refused')
    } catch (error) {
      trust.log.warn({ reason: reasonOf(error), attempt }, 'the webhook did not answer')
    }
    const milliseconds = PAUSES[attempt]
    if (milliseconds === undefined || closing.aborted) return false
    await pause(milliseconds).catch(() => undefined)
  }
}

function nameOf({ gun = SERVER, what }: Ending): string {
  return `${gun} ${what}`
}

function daysLeft(trust: Trust, expires: number): number {
  return Math.floor((expires - trust.now()) / DAY)
}
