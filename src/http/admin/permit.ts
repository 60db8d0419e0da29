import { covers } from '../../access/grant.ts'
import { holderOf } from '../../access/identities.ts'
import { allows, type Action, type Identity } from '../../access/permission.ts'
import type { Operation } from '../../admin/operation.ts'
import { TrustError } from '../../errors.ts'
import { noSuchRepository } from '../../repository/no-such-repository.ts'
import type { Trust } from '../../repository/trust.ts'

/** Returns an identity as it is now. @throws TrustError UNAUTHENTICATED if its credentials were revoked */
export function stillRecognised({ store, now }: Trust, identity: Identity): Identity {
  const { subject } = identity
  const still = subject === undefined ? identity : holderOf(store, subject, now())
  if (still !== undefined) return still
  throw new TrustError('UNAUTHENTICATED', 'the credentials are no longer valid')
}

/**
 * Checks permission. Callers that may not even read learn nothing about what exists.
 *
 * @param gun a pattern needs permission for all that it matches; undefined: the server itself
 * @throws TrustError NOT_FOUND, FORBIDDEN
 */
export function permit(identity: Identity, { action }: Operation, gun: string | undefined): void {
  const may = (wanted: Action): boolean =>
    gun === undefined ? allows(identity, wanted, undefined) : covers(identity, { pattern: gun, actions: [wanted] })
  if (action === 'own' || may(action)) return
  if (gun !== undefined && !may('read')) noSuchRepository(gun)
  const what = gun === undefined ? 'this server' : gun
  throw new TrustError('FORBIDDEN', `${identity.name} may not ${action} ${what}`)
}
