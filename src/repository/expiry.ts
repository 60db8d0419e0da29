import { damageIn } from '../errors.ts'
import type { Head } from '../store/store.ts'
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

/** Ends within this time are logged, milliseconds: 60 days, time enough for a rotation. */
export const EXPIRY_HORIZON = 60 * 86_400_000

/** As `what`: said of a repository that cannot be read; of no repository, of the tokens, or of all repositories. */
export const DAMAGED = 'damaged'

/**
 * Something that ends unless it is put off: metadata, root certificates, tokens, by a person; the server's certificate, by
 * the server if it made it.
 */
export interface Ending {
  /** Undefined for what belongs to no repository. */
  readonly gun?: Gun
  /**
   * A role; `root certificate`: past its end the repository is frozen for writers and readers (wire spec §19.24);
   * `token NAME`, `server certificate`, `server CA`, the last two also with `, which cannot be read`; `DAMAGED`: what ends
   * there cannot be read, and something has to be done now.
   */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly expires: number
}

/** What ends at or before `until` (milliseconds since 1970) in one repository. @param roles as root names them */
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
    // The server renews its timestamps. Where another one signs, nothing is put off before this one does: the timestamp says
    // by when that must be.
    const told = (role === 'timestamp') !== here
    if (!told || expires > until) continue
    // Nobody can put off the end of one that was removed, nor has to.
    if (!isDelegation(role) || isDelegated(role)) found.push({ gun, what: role, expires })
  }
  const end = roles && rootCertificatesEnd(roles.root)
  // Past it nobody can make this server sign, either. What is far away need not be a second line until then.
  const last = here ? until : Math.min(until, now() + EXPIRY_HORIZON)
  if (end !== undefined && end <= last) found.push({ gun, what: 'root certificate', expires: end })
  return found
}

/**
 * When too few root certificates are left for the threshold: from then on no client accepts the repository.
 * Milliseconds since 1970; undefined if the keys are no certificates.
 */
export function rootCertificatesEnd({ keys, threshold }: RoleKeys): number | undefined {
  const ends = [...keys.values()].flatMap((key) => certificateEnds(key) ?? [])
  return ends.toSorted((one, other) => other - one)[threshold - 1]
}

/**
 * What ends at or before `until` (milliseconds since 1970) in any repository; soonest first. One that is damaged is said
 * to be, and hides nothing of the others; nor does damage to the list of their names hide what ends besides.
 *
 * @param more what else ends in one repository, whose roles are as root names them
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function allEndings(
  trust: Pick<Trust, 'store' | 'now'>,
  until: number,
  more: (gun: Gun, roles: Root['roles']) => readonly Ending[] = () => [],
): Promise<Ending[]> {
  const found: Ending[] = []
  try {
    for await (const gun of allGuns(trust.store)) found.push(...endingsIn(trust, gun, until, more))
  } catch (error) {
    // Their names: tokens and certificates of the server end all the same.
    damageIn(error)
    found.push({ what: DAMAGED, expires: trust.now() })
  }
  return found.toSorted((one, other) => one.expires - other.expires)
}

function endingsIn(
  trust: Pick<Trust, 'store' | 'now'>,
  gun: Gun,
  until: number,
  more: (gun: Gun, roles: Root['roles']) => readonly Ending[],
): Ending[] {
  try {
    const head = trust.store.head(gun)
    const roles = currentRoot(trust, gun, head)?.roles
    const own = head === undefined ? [] : endings(trust, gun, head, roles, until)
    return roles === undefined ? own : [...own, ...more(gun, roles)]
  } catch (error) {
    damageIn(error)
    return [{ gun, what: DAMAGED, expires: trust.now() }]
  }
}

/**
 * Look again and again for what ends soon, and log what only a person can renew in time.
 *
 * @param interval milliseconds between rounds; a day is right
 * @param look finds what ends up to a time, milliseconds since 1970
 * @param after called with what was found
 */
export function startWatchingExpiry(
  trust: Trust,
  interval: number,
  look: (until: number) => Promise<readonly Ending[]>,
  after: (found: readonly Ending[]) => Promise<void>,
): Repeating {
  return repeat('the look for what expires', interval, trust.log, async () => {
    const found = await look(trust.now() + EXPIRY_HORIZON)
    for (const { gun, what, expires } of found) {
      if (what === DAMAGED) trust.log.error({ gun, what }, 'what ends cannot be read')
      else trust.log.warn({ gun, what, expires: new Date(expires).toISOString() }, 'must be renewed')
    }
    await after(found)
  })
}
