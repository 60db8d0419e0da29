import type { StoredDocument } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import { currentDocument } from './current.ts'
import { isDue, renew } from './renew.ts'
import { signedHere } from './signed-here.ts'
import type { Trust } from './trust.ts'

/**
 * The current document of a role (wire spec §8). Nothing is signed here when all is well; should a timestamp or a
 * server-held snapshot have expired all the same, it is re-signed first. What another server signed (`adopt`) is handed
 * on as it is: clients say themselves when it has expired.
 *
 * @throws TrustError SIGNING_FAILED if it has expired and cannot be re-signed: never an expired timestamp of its own
 */
export async function readCurrent(trust: Trust, gun: Gun, role: Role): Promise<StoredDocument | undefined> {
  const head = trust.store.head(gun)
  if (head === undefined) return undefined
  const serverMade = role === 'timestamp' || role === 'snapshot'
  if (serverMade && signedHere(head) && isDue(trust, gun, head, trust.now(), 'expired')) {
    await renewOnce(trust, gun)
  }
  return currentDocument(trust, gun, serverMade ? (trust.store.head(gun) ?? head) : head, role)
}

/** All who read it at this moment wait for one renewal: so many cannot all wait for their turn. */
async function renewOnce(trust: Trust, gun: Gun): Promise<void> {
  const { renewals } = trust
  const running = renewals.get(gun) ?? renew(trust, gun, 'expired').finally(() => renewals.delete(gun))
  renewals.set(gun, running)
  await running
}
