import { damageIn, TrustError } from '../errors.ts'
import type { Head, StoredDocument } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { isServerRole, type Role, type ServerRole } from '../tuf/role.ts'
import { currentDocument } from './current.ts'
import { damageTo, isMadeHere } from './damage.ts'
import { isDue, renew } from './renewal/renew.ts'
import type { Trust } from './trust.ts'

/** Milliseconds between two replacements of damaged documents of a repository, in case the disk damages every write. */
const MEND_AGAIN_AFTER = 10 * 60_000

/**
 * Reads the current document of a role (wire spec §8). Normally signs nothing; but re-signs a timestamp or server-held
 * snapshot that has expired after all, and replaces one that is damaged. Returns documents of another server (`adopt`) as
 * they are: clients notice themselves when these have expired.
 *
 * @throws TrustError SIGNING_FAILED rather than return an expired document of its own that cannot be re-signed;
 *   CORRUPT if it is damaged and cannot be replaced
 */
export async function readCurrent(trust: Trust, gun: Gun, role: Role): Promise<StoredDocument | undefined> {
  const head = trust.store.head(gun)
  if (head === undefined || !isServerRole(role)) return currentDocument(trust, gun, head, role)
  if (isDue(trust, gun, head, trust.now(), 'expired')) await renewOnce(trust, gun)
  const newest = trust.store.head(gun) ?? head
  try {
    return currentDocument(trust, gun, newest, role)
  } catch (error) {
    await remakeDamaged(trust, gun, newest, role, damageIn(error))
  }
  return currentDocument(trust, gun, trust.store.head(gun) ?? newest, role)
}

type ConsistentName = { readonly sha256: string } | { readonly version: number }

/**
 * Reads a document by checksum or by version: for ever exactly the bytes that were stored (wire spec §2, file forms).
 *
 * A damaged one is lost for good. If it is current and the server makes such documents, makes another one and a timestamp
 * that leads to it: clients start again from the timestamp if they do not get what the old one named.
 *
 * @throws TrustError CORRUPT
 */
export async function readConsistent(
  trust: Trust,
  gun: Gun,
  role: Role,
  at: ConsistentName,
): Promise<StoredDocument | undefined> {
  try {
    // If the current document is lost, throw: clients would take "not found" for a repository that does not exist.
    const document = trust.store.document(gun, role, at)
    return document ?? currentDocument(trust, gun, headIfCurrent(trust, gun, role, at), role)
  } catch (error) {
    if (isServerRole(role)) await replace(trust, gun, role, at)
    throw error
  }
}

/** Returns the head if the named document is current. */
function headIfCurrent({ store }: Trust, gun: Gun, role: Role, at: ConsistentName): Head | undefined {
  const head = store.head(gun)
  const state = head?.roles[role]
  if (state === undefined) return undefined
  return ('sha256' in at ? at.sha256 === state.sha256 : at.version === state.version) ? head : undefined
}

/** Replaces the named document if it is current and damaged. Ignores failures: `readCurrent` will report them. */
async function replace(trust: Trust, gun: Gun, role: ServerRole, at: ConsistentName): Promise<void> {
  try {
    const head = headIfCurrent(trust, gun, role, at)
    if (head === undefined) return
    const damage = damageTo(trust, gun, head, role)
    if (damage !== undefined) await remakeDamaged(trust, gun, head, role, damage)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
  }
}

/**
 * Makes a new document in place of a damaged one.
 *
 * @param head names the damaged document
 * @throws TrustError CORRUPT, which says what is damaged, and why it cannot be replaced
 */
async function remakeDamaged(trust: Trust, gun: Gun, head: Head, role: ServerRole, damage: TrustError): Promise<void> {
  const { renewals, mended, now } = trust
  const since = now() - (mended.get(gun) ?? -Infinity)
  // Negative if the clock was set back.
  const isTooSoon = since >= 0 && since < MEND_AGAIN_AFTER && !renewals.has(gun)
  try {
    if (isTooSoon || !isMadeHere(trust, gun, head, role)) throw damage
    if (await renewOnce(trust, gun)) mended.set(gun, now())
  } catch (cause) {
    if (cause === damage || !(cause instanceof TrustError)) throw cause
    const options = { cause, hint: damage.hint }
    throw new TrustError('CORRUPT', `${damage.message}, and no new one can be made: ${cause.message}`, options)
  }
}

/** Renews once for all simultaneous readers, of which there may be more than can wait for a turn. */
async function renewOnce(trust: Trust, gun: Gun): Promise<boolean> {
  const { renewals } = trust
  const running = renewals.get(gun) ?? renew(trust, gun, 'expired').finally(() => renewals.delete(gun))
  renewals.set(gun, running)
  return running
}
