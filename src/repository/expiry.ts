import { damageIn } from '../errors.ts'
import type { Head } from '../store/store.ts'
import { withoutBlocking } from '../store/without-blocking.ts'
import type { Gun } from '../tuf/gun.ts'
import { certificateEnds } from '../tuf/keys/certificate.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import { isDelegation } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import { allGuns } from './all-guns.ts'
import { currentRoot } from './current.ts'
import { delegatedIn } from './delegated-roles.ts'
import { repeat, type Repeating } from './repeat.ts'
import { signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'

/** What expires within this time is logged, in milliseconds: 60 days, enough time for a rotation. */
export const EXPIRY_HORIZON = 60 * 86_400_000

/** The `what` of something unreadable: a repository or, without `gun`, the tokens or the list of repositories. */
export const DAMAGED = 'damaged'
/** The `what` of keys that the server holds and cannot use, so that something has to be done now. */
export const MISSING_KEYS = 'missing keys'

/**
 * Something that expires unless it is renewed: metadata, root certificates and tokens by a person, the server's certificate
 * by the server if it made it.
 */
export interface Ending {
  /** Undefined for things that belong to no repository. */
  readonly gun?: Gun
  /**
   * A role; `root certificate`, after whose end nobody can write or read the repository (wire spec §19.24); `token NAME`;
   * `server certificate`, `server CA`, `client CA`, each also with `, which cannot be read` or `, which cannot be served`;
   * `DAMAGED` if it cannot be read what expires, so that something has to be done now; `MISSING_KEYS`, followed by
   * ` of signer NAME` for a signer's.
   */
  readonly what: string
  /** Of missing keys: why the first of them cannot be used. */
  readonly reason?: string
  /** Milliseconds since 1970. */
  readonly expires: number
}

/** Finds what expires in one repository at or before `until`, milliseconds since 1970. @param roles as in root */
function endings(
  { store, now }: Pick<Trust, 'store' | 'now'>,
  gun: Gun,
  head: Head,
  roles: Root['roles'] | undefined,
  until: number,
): Ending[] {
  const found: Ending[] = []
  const here = signedHere(head)
  const isDelegated = delegatedIn({ store }, gun, head)
  for (const [role, { expires }] of Object.entries(head.roles)) {
    // The server renews its own timestamps. If another server signs the timestamp, nothing can be renewed until this one
    // does, and the timestamp's expiry says by when that must be.
    const told = (role === 'timestamp') !== here
    if (!told || expires > until) continue
    // Nobody can or needs to renew a delegation that was removed.
    if (!isDelegation(role) || isDelegated(role)) found.push({ gun, what: role, expires })
  }
  const end = roles && rootCertificatesEnd(roles.root)
  // After the certificates end, an adopted repository can no longer be taken over either. If that is far away, report the
  // timestamp only.
  const last = here ? until : Math.min(until, now() + EXPIRY_HORIZON)
  if (end !== undefined && end <= last) found.push({ gun, what: 'root certificate', expires: end })
  return found
}

/**
 * Returns when too few root certificates are left for the threshold, so that no client accepts the repository any more:
 * milliseconds since 1970; undefined if the keys are not certificates.
 */
export function rootCertificatesEnd({ keys, threshold }: RoleKeys): number | undefined {
  const ends = [...keys.values()].flatMap((key) => certificateEnds(key) ?? [])
  return ends.toSorted((one, other) => other - one)[threshold - 1]
}

/** Finds more that ends in a repository, given the roles in its root. */
type More = (gun: Gun, roles: Root['roles']) => Promise<readonly Ending[]>

/**
 * Finds what expires in any repository at or before `until`, milliseconds since 1970; soonest first. Reports damaged
 * repositories, and a damaged list of their names, instead of stopping there.
 *
 * @param gone aborted to stop there, with its reason
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function allEndings(
  trust: Pick<Trust, 'store' | 'now'>,
  until: number,
  more: More = async () => [],
  gone?: AbortSignal,
): Promise<Ending[]> {
  const found: Ending[] = []
  try {
    for await (const gun of allGuns(trust.store, gone)) found.push(...(await endingsIn(trust, gun, until, more)))
  } catch (error) {
    gone?.throwIfAborted()
    // The list of names is damaged; the server's tokens and certificates, which callers add, expire all the same.
    damageIn(error)
    found.push({ what: DAMAGED, expires: trust.now() })
  }
  return found.toSorted((one, other) => one.expires - other.expires)
}

async function endingsIn(trust: Pick<Trust, 'store' | 'now'>, gun: Gun, until: number, more: More): Promise<Ending[]> {
  try {
    const head = trust.store.head(gun)
    const roles = currentRoot(trust, gun, head)?.roles
    const own = head === undefined ? [] : endings(trust, gun, head, roles, until)
    return roles === undefined ? own : [...own, ...(await more(gun, roles))]
  } catch (error) {
    damageIn(error)
    return [{ gun, what: DAMAGED, expires: trust.now() }]
  }
}

/**
 * Looks regularly for what expires soon, and logs what only a person can renew in time.
 *
 * @param interval milliseconds between rounds; a day is right
 * @param look finds what expires up to a time, milliseconds since 1970; may end with the reason of the signal
 * @param after called with what was found
 */
export function startWatchingExpiry(
  trust: Trust,
  interval: number,
  look: (until: number, stopping: AbortSignal) => Promise<readonly Ending[]>,
  after: (found: readonly Ending[]) => Promise<void>,
): Repeating {
  return repeat('the check for what expires', interval, trust.log, async (stopping) => {
    const found = await look(trust.now() + EXPIRY_HORIZON, stopping)
    // Once for all: mostly, all are in the same token.
    const missing = found.filter(({ what }) => what.startsWith(MISSING_KEYS))
    if (missing.length > 0) {
      const { gun, what, reason } = missing[0] as Ending
      trust.log.error({ gun, what, reason, others: missing.length - 1 }, 'keys are missing')
    }
    for await (const { gun, what, expires } of withoutBlocking(found)) {
      if (what.startsWith(MISSING_KEYS)) continue
      if (what === DAMAGED) trust.log.error({ gun, what }, 'what ends cannot be read')
      else trust.log.warn({ gun, what, expires: new Date(expires).toISOString() }, 'must be renewed')
    }
    await after(found)
  })
}
