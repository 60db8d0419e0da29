import { reasonOf } from '../errors.ts'
import { keyNamed, parseKeySet, type KeySet } from './key-set.ts'
import type { PublicTokenKey } from './token-signature.ts'
import type { FindKey } from './web-token.ts'

/** Milliseconds after which the set is fetched again. */
const FRESH = 10 * 60_000
/** Milliseconds between two fetches: tokens with unknown key ids must not trigger one each. */
const PAUSE = 30_000
/** Milliseconds after which a set that could not be fetched again is no longer used. */
const KEPT = 24 * 3_600_000
/** Milliseconds for a response. */
const FETCH_LIMIT = 5_000
const SET_MAX_BYTES = 256 * 1024

/**
 * Returns keys of a set that is fetched from a URL: cached for ten minutes, and fetched again for an unknown key id.
 *
 * @param after called after each fetch, with the reason if it failed; for log and metrics
 */
export function remoteKeys(url: string, after: (failure: string | undefined) => void): FindKey {
  let set: KeySet = new Map()
  let fetchedAt = -Infinity
  let askedAt = -Infinity
  let running: Promise<void> | undefined
  let isFailing = false
  const refresh = async (now: number): Promise<void> => {
    askedAt = now
    try {
      set = parseKeySet(await fetchBytes(url), url)
      fetchedAt = now
      isFailing = false
      after(undefined)
    } catch (error) {
      isFailing = true
      after(reasonOf(error))
    }
  }
  const find = (kid: string, algorithm: string, now: number): PublicTokenKey | undefined =>
    timeBetween(fetchedAt, now) > KEPT ? undefined : keyNamed(set, kid, algorithm)
  return ({ algorithm, kid, x5c }, now) => {
    if (x5c !== undefined || kid === undefined) return undefined
    const wanted = timeBetween(fetchedAt, now) > FRESH || !set.has(kid)
    if (wanted && running === undefined && timeBetween(askedAt, now) > PAUSE) {
      running = refresh(now).finally(() => {
        running = undefined
      })
    }
    const there = find(kid, algorithm, now)
    // While the service does not answer, a token whose key is cached does not wait for each retry.
    const waits = wanted && !(isFailing && there !== undefined)
    return waits && running !== undefined ? running.then(() => find(kid, algorithm, now)) : there
  }
}

/** Milliseconds between two times, in either order: the clock may have been ahead and put right. */
function timeBetween(one: number, other: number): number {
  return Math.abs(one - other)
}

/** @throws Error if the status is not 200 or the body too long; does not follow redirects */
async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_LIMIT) })
  if (!response.ok) throw new Error(`it answered ${response.status}`)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > SET_MAX_BYTES) throw new Error(`it is longer than ${SET_MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
