import { TrustError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { LimitedMap } from '../memory/limited-map.ts'
import type { Signer } from '../signing/signer.ts'
import type { StoreReader } from '../store/reader.ts'
import { serverRevision } from '../store/server-revision.ts'
import type { Store } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { DecodedDocuments } from './decoded.ts'
import { Turns, type Locks } from './turns.ts'

/** Everything that the verbs of this folder need; created once per thread, and in tests with another clock. */
export interface Trust {
  readonly store: Store
  readonly signer: Signer
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Uniform in [0, 1): jitter of renewals. */
  readonly random: () => number
  readonly policy: Policy
  readonly log: Log
  /** Runs changes of a repository one after the other. */
  readonly turns: Turns
  /** Recently decoded documents; `check` does without. */
  readonly decoded: DecodedDocuments
  /** Running renewals that readers wait for. */
  readonly renewals: Map<Gun, Promise<boolean>>
  /** When a damaged document was last replaced for a reader, milliseconds since 1970. */
  readonly mended: LimitedMap<Gun, number>
}

/** How many repositories `mended` remembers. */
const MENDED_MAX = 10_000

/** Puts the parts together. @param locks undefined if no other thread changes repositories */
export function createTrust(parts: Omit<Trust, 'turns' | 'decoded' | 'renewals' | 'mended'>, locks?: Locks): Trust {
  const turns = new Turns(parts.policy.publishesWaitingPerGun, { locks })
  const mended = new LimitedMap<Gun, number>(MENDED_MAX)
  return { ...parts, turns, decoded: new DecodedDocuments(), renewals: new Map(), mended }
}

/**
 * Returns the same for a caller who was authorised, but checks the permission again before each commit: the body, the wait
 * for a turn and signatures by a token may have taken a while. No commit follows one that took the permission away.
 *
 * @param recheck throws the refusal if the caller no longer has the permission
 */
export function withPermissionCheck(trust: Trust, recheck: () => void | Promise<void>): Trust {
  const { store } = trust
  const revision = (): number => serverRevision((gun) => store.head(gun))
  const commit: Store['commit'] = async (change) => {
    for (;;) {
      const permittedAt = change.permittedAt ?? revision()
      await recheck()
      try {
        return await store.commit({ ...change, permittedAt })
      } catch (error) {
        // If only users or tokens changed, nothing needs to be computed and signed again, unless it depends on rules, too.
        const changed = error instanceof TrustError && error.code === 'CONFLICT' && revision() !== permittedAt
        if (!changed || change.permittedAt !== undefined) throw error
      }
    }
  }
  return { ...trust, store: { ...store, commit } }
}

/** What verbs that only read need; a snapshot will do. */
export interface Readable {
  readonly store: StoreReader
}

/** What reading metadata alone needs. */
export interface Documents {
  /** Without `head` if nobody can delete the documents meanwhile. */
  readonly store: Pick<Store, 'document'> & Partial<Pick<Store, 'head'>>
}

/** The operator's settings for the metadata that the server makes and accepts. */
interface Policy {
  /** Life of a server-made timestamp, milliseconds. */
  readonly timestampLife: number
  /** Life of a server-made snapshot, milliseconds. */
  readonly snapshotLife: number
  /** Only repositories under these prefixes may exist; empty for all. */
  readonly gunPrefixes: readonly string[]
  /** How many publishes may wait per repository behind the running one. */
  readonly publishesWaitingPerGun: number
}
