import type { Log } from '../log/log.ts'
import { LimitedMap } from '../memory/limited-map.ts'
import type { Signer } from '../signing/signer.ts'
import type { StoreReader } from '../store/reader.ts'
import type { Store } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { DecodedDocuments } from './decoded.ts'
import { Turns, type Locks } from './turns.ts'

/** Everything that the verbs of this folder need; wired once in each thread, and in tests with another clock. */
export interface Trust {
  readonly store: Store
  readonly signer: Signer
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Uniform in [0, 1): jitter of renewals. */
  readonly random: () => number
  readonly policy: Policy
  readonly log: Log
  /** One change of a repository after the other. */
  readonly turns: Turns
  /** Documents decoded lately; `check` has none. */
  readonly decoded: DecodedDocuments
  /** Renewals that somebody who reads is waiting for. */
  readonly renewals: Map<Gun, Promise<boolean>>
  /** When something damaged was last made anew for somebody who reads, milliseconds since 1970. */
  readonly mended: LimitedMap<Gun, number>
}

/** Repositories of which that is remembered. */
const MENDED_MAX = 10_000

/** Put the parts together. @param locks undefined: no other thread changes repositories */
export function createTrust(parts: Omit<Trust, 'turns' | 'decoded' | 'renewals' | 'mended'>, locks?: Locks): Trust {
  const turns = new Turns(parts.policy.publishesWaitingPerGun, locks)
  const mended = new LimitedMap<Gun, number>(MENDED_MAX)
  return { ...parts, turns, decoded: new DecodedDocuments(), renewals: new Map(), mended }
}

/**
 * The same for somebody who was let in: whether they may still is asked before anything is written. Until then it may have
 * taken a while: a body, the wait for their turn, signatures by a token.
 *
 * @param mayStill throws what they are told if they may not any more
 */
export function asPermitted(trust: Trust, mayStill: () => void | Promise<void>): Trust {
  const { store } = trust
  const commit: Store['commit'] = async (change) => {
    await mayStill()
    return store.commit(change)
  }
  return { ...trust, store: { ...store, commit } }
}

/** What verbs that only read need: also a snapshot will do. */
export interface Readable {
  readonly store: StoreReader
}

/** What a look at metadata alone needs. */
export interface Documents {
  /** Without heads: documents that nobody deletes meanwhile. */
  readonly store: Pick<Store, 'document'> & Partial<Pick<Store, 'head'>>
}

/** What the operator decides about the metadata that the server makes and takes. */
export interface Policy {
  /** Life of a server-made timestamp, milliseconds. */
  readonly timestampLife: number
  /** Life of a server-made snapshot, milliseconds. */
  readonly snapshotLife: number
  /** Only repositories under these may exist; empty: all. */
  readonly gunPrefixes: readonly string[]
  /** Publishes that may wait for one repository behind the running one. */
  readonly publishesWaitingPerGun: number
}
