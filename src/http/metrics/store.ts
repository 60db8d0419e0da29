import { statfs } from 'node:fs/promises'
import { TrustError, unlessDamaged } from '../../errors.ts'
import { stagedRoots } from '../../repository/roots/staged.ts'
import type { Trust } from '../../repository/trust.ts'
import { clockFault } from '../../store/journal.ts'
import type { Due, Head } from '../../store/store.ts'
import { Gauge, type Registry } from './prometheus.ts'

/** Most due repositories to look at; more are just "many". */
const DUE_MAX = 10_000
/** Due repositories that are read at once; others get their turn between. */
const DUE_AT_ONCE = 100
/** Most waiting roots to count. */
const WAITING_MAX = 1_000

/** Registers the state of store, keys, clock and disk: read at each scrape, so never outdated. */
export function registerStoreMetrics(trust: Trust, dataDirectory: string, registers: Registry[]): void {
  const { store, signer, now } = trust
  const gauge = (name: string, help: string, look: () => number | Promise<number>): void => {
    void new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await known(look))
      },
    })
  }
  gauge('countersign_store_writable', '1, or 0 while a failed write is being recovered from.', () =>
    Number(store.readiness().writable),
  )
  gauge('countersign_signer_usable', '1, or 0 while the token that holds private keys cannot be reached.', () =>
    Number(signer.readiness().usable),
  )
  gauge(
    'countersign_clock_usable',
    '1, or 0 while the clock is so far behind the last commit that nothing is signed.',
    () => Number(clockFault(store.tail(), now()) === undefined),
  )
  gauge('countersign_clock_seconds', "The server's clock, in seconds since 1970.", () => now() / 1000)
  gauge('countersign_disk_available_bytes', 'Room that is left on the disk of the database.', () =>
    availableOn(dataDirectory),
  )
  gauge('countersign_commits', 'Entries in the journal.', () => store.tail().number)
  gauge(
    'countersign_timestamps_due',
    'Repositories whose timestamp is past half its life and not yet re-signed, where root has not expired.',
    () => timestampsDue(trust),
  )
  gauge('countersign_roots_waiting', 'Roots that wait for signatures.', () => rootsWaiting(trust))
  gauge(
    'countersign_min_seconds_to_timestamp_expiry',
    'Seconds until the first timestamp expires, where root has not; +Inf while there is none.',
    async () => ((await firstTimestampExpiry(trust)) - now()) / 1000,
  )
}

/** Returns NaN for what the store cannot tell right now, so that all other metrics are still reported. */
async function known(look: () => number | Promise<number>): Promise<number> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof TrustError) return NaN
    throw error
  }
}

/** Returns bytes; NaN if the disk does not answer. */
async function availableOn(directory: string): Promise<number> {
  const disk = await statfs(directory).catch(() => undefined)
  return disk === undefined ? NaN : disk.bavail * disk.bsize
}

async function rootsWaiting(trust: Trust): Promise<number> {
  let waiting = 0
  for await (const _ of stagedRoots(trust)) {
    waiting += 1
    if (waiting === WAITING_MAX) break
  }
  return waiting
}

async function timestampsDue(trust: Trust): Promise<number> {
  let due = 0
  for await (const _ of renewable(trust, trust.now())) due += 1
  return due
}

/** Milliseconds since 1970; Infinity while there is no timestamp. Skips damaged repositories, whose expiry is unknown. */
async function firstTimestampExpiry(trust: Trust): Promise<number> {
  for await (const head of renewable(trust, Number.MAX_SAFE_INTEGER - 1)) {
    const expires = head?.roles['timestamp']?.expires
    if (expires !== undefined) return expires
  }
  return Infinity
}

/**
 * Yields heads of repositories that are due until a time, soonest first; undefined for a damaged one. Leaves out those
 * whose root has expired: only a new root helps, and one that nobody needs any more would hide all others for good.
 */
async function* renewable({ store, now }: Trust, until: number): AsyncGenerator<Head | undefined> {
  let due: Due[] = []
  for (let looked = 0; looked < DUE_MAX; looked += due.length) {
    due = await store.due(until, DUE_AT_ONCE, due.at(-1))
    if (due.length === 0) break
    for (const { gun } of due) {
      const head = unlessDamaged(() => store.head(gun))
      if ((head?.roles['root']?.expires ?? Infinity) >= now()) yield head
    }
  }
}
