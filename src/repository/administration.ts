import type { Actor, StoredKey } from '../store/store.ts'
import type { LevelStore } from '../store/level.ts'
import type { Gun } from '../tuf/gun.ts'
import { check, type CheckReport, type OpensKey } from './check.ts'
import { allGuns } from './expiry.ts'
import { remove } from './remove.ts'
import { describe, type Description } from './show.ts'
import type { Trust } from './trust.ts'

/** One line of `repo list`. */
export interface RepositoryRow {
  readonly gun: string
  /** Version of targets. */
  readonly version: number
  /** Delegations that have signed something. */
  readonly delegations: number
  /** The first end among root, targets and snapshot, RFC 3339. */
  readonly expires: string
}

/** One line of `key list`: a key that the server made. */
export type KeyRow = Omit<StoredKey, 'sealed'> & {
  /** True if the current root names it. */
  readonly current: boolean
}

/** What an admin can ask, of a running server over its control socket or of a stopped one's data directory. */
export interface Administration {
  check(): Promise<CheckReport>
  list(): Promise<RepositoryRow[]>
  /** undefined: there is no such repository. */
  show(gun: Gun): Promise<Description | undefined>
  keys(gun: Gun): Promise<KeyRow[]>
  /** False: there was none. */
  remove(gun: Gun): Promise<boolean>
}

/** @param actor who asks, for the journal */
export function administer(trust: Trust, store: LevelStore, opens: OpensKey, actor: Actor): Administration {
  return {
    check: () => check(store, opens, trust.now()),
    async list() {
      const rows: RepositoryRow[] = []
      for await (const gun of allGuns(store)) {
        const roles = store.head(gun)?.roles ?? {}
        const ends = ['root', 'targets', 'snapshot'].flatMap((role) => roles[role]?.expires ?? [])
        if (roles['targets'] === undefined) continue
        rows.push({
          gun,
          version: roles['targets'].version,
          delegations: Object.keys(roles).filter((role) => role.startsWith('targets/')).length,
          expires: new Date(Math.min(...ends)).toISOString(),
        })
      }
      return rows
    },
    show: async (gun) => describe(trust, gun, trust.now()),
    async keys(gun) {
      const named = new Set(describe(trust, gun, trust.now())?.roles.flatMap(({ keys }) => keys.map(({ id }) => id)))
      return (['timestamp', 'snapshot'] as const).flatMap((role) =>
        store.keys(gun, role).map(({ keyId, keytype, public: text, pending, createdAt }) => ({
          role,
          keyId,
          keytype,
          public: text,
          pending,
          createdAt,
          current: named.has(keyId),
        })),
      )
    },
    remove: (gun) => remove(trust, gun, actor),
  }
}
