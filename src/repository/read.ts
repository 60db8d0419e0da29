import { damageIn, TrustError } from '../errors.ts'
import type { Head, StoredDocument } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { isServerRole, type Role, type ServerRole } from '../tuf/role.ts'
import { currentDocument } from './current.ts'
import { damageTo, isMadeHere } from './damage.ts'
import { isDue, renew } from './renewal/renew.ts'
import { signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'

/** On a disk that damages whatever is written, something is made anew so often and no more, milliseconds. */
const MEND_AGAIN_AFTER = 10 * 60_000

/**
 * The current document of a role (wire spec §8). Nothing is signed here when all is well; should a timestamp or a
 * server-held snapshot have expired all the same, it is re-signed first, and what is damaged is made anew. What another
 * server signed (`adopt`) is handed on as it is: clients say themselves when it has expired.
 *
 * @throws TrustError SIGNING_FAILED if it has expired and cannot be re-signed: never an expired timestamp of its own;
 *   CORRUPT if it is damaged and cannot be made anew
 */
export async function readCurrent(trust: Trust, gun: Gun, role: Role): Promise<StoredDocument | undefined> {
  const head = trust.store.head(gun)
  if (head === undefined || !isServerRole(role)) return head && currentDocument(trust, gun, head, role)
  if (signedHere(head) && isDue(trust, gun, head, trust.now(), 'expired')) await renewOnce(trust, gun)
  const newest = trust.store.head(gun) ?? head
  try {
    return currentDocument(trust, gun, newest, role)
  } catch (error) {
    await makeAnew(trust, gun, newest, role, damageIn(error))
  }
  return currentDocument(trust, gun, trust.store.head(gun) ?? newest, role)
}

type ConsistentName = { readonly sha256: string } | { readonly version: number }

/**
 * A document by checksum or by version: exactly the bytes that were stored, for ever (wire spec §2, file forms).
 *
 * One that is damaged is gone for good. But where it is the current one, and this server's, another one is made, to which a
 * new timestamp leads: clients begin anew with that when they do not get what the old one named.
 *
 * @throws TrustError CORRUPT
 */
export async function readConsistent(
  trust: Trust,
  gun: Gun,
  role: Role,
  at: ConsistentName,
): Promise<StoredDocument | undefined> {
  let found: StoredDocument | undefined
  try {
    // Of a current one that is lost clients would say that there is no such repository.
    found = trust.store.document(gun, role, at) ?? currentNamed(trust, gun, role, at)
    return found
  } finally {
    if (found === undefined && isServerRole(role)) await replace(trust, gun, role, at)
  }
}

/** @throws TrustError CORRUPT if the head names it, and it is not there */
function currentNamed(trust: Trust, gun: Gun, role: Role, at: ConsistentName): StoredDocument | undefined {
  const head = headNaming(trust, gun, role, at)
  return head && currentDocument(trust, gun, head, role)
}

/** The head, if that is the current document. */
function headNaming({ store }: Trust, gun: Gun, role: Role, at: ConsistentName): Head | undefined {
  const head = store.head(gun)
  const state = head?.roles[role]
  if (state === undefined) return undefined
  return ('sha256' in at ? at.sha256 === state.sha256 : at.version === state.version) ? head : undefined
}

/** If that is the current document, and damaged, make another one. Whoever asks for that one is told if it cannot be done. */
async function replace(trust: Trust, gun: Gun, role: ServerRole, at: ConsistentName): Promise<void> {
  try {
    const head = headNaming(trust, gun, role, at)
    if (head === undefined) return
    const damage = damageTo(trust, gun, head, role)
    if (damage !== undefined) await makeAnew(trust, gun, head, role, damage)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
  }
}

/**
 * @param head names the damaged document
 * @throws TrustError CORRUPT with what is damaged, and why no new one can be made
 */
async function makeAnew(trust: Trust, gun: Gun, head: Head, role: ServerRole, damage: TrustError): Promise<void> {
  const { renewals, mended, now } = trust
  const since = now() - (mended.get(gun) ?? -Infinity)
  // Below 0: the clock was put back.
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

/** All who read it at this moment wait for one renewal: so many cannot all wait for their turn. */
async function renewOnce(trust: Trust, gun: Gun): Promise<boolean> {
  const { renewals } = trust
  const running = renewals.get(gun) ?? renew(trust, gun, 'expired').finally(() => renewals.delete(gun))
  renewals.set(gun, running)
  return running
}
