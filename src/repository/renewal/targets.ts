import { TrustError } from '../../errors.ts'
import type { Head } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import type { Root } from '../../tuf/root.ts'
import { formatTime } from '../../tuf/time.ts'
import { recallCurrent } from '../current.ts'
import { heldKeys, holdsRole, signRole, type Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'

/** Life of targets that the server signs, milliseconds: as Notary's clients give it. */
export const TARGETS_LIFE = 1095 * 86_400_000

/** Half of the life is over. @param expires milliseconds since 1970 */
export function targetsAreDue(expires: number, now: number): boolean {
  return expires - now < TARGETS_LIFE / 2
}

/** Returns the payload of targets that follows this one, for another life. @param now milliseconds since 1970 */
export function nextTargets(signed: JsonObject, now: number): JsonObject {
  return { ...signed, expires: formatTime(now + TARGETS_LIFE), version: Number(signed['version']) + 1 }
}

/**
 * The targets of a repository that the server signs, the same tags for another life, when half of it is over. Those of
 * owners and of delegates are theirs to renew, also where a signer of the server is the delegate.
 *
 * There is a year and more to try it again: a key that cannot be used now must not hold up the timestamp, which lives
 * for days.
 *
 * @returns undefined if there is nothing to renew, or it cannot be signed
 */
export async function renewedTargets(
  trust: Trust,
  gun: Gun,
  head: Head,
  root: Root,
  now: number,
): Promise<Signed | undefined> {
  const state = head.roles['targets']
  if (state === undefined || !targetsAreDue(state.expires, now)) return undefined
  try {
    const named = root.roles.targets
    const held = heldKeys(trust, gun, 'targets', named)
    if (held.length < named.threshold || !holdsRole(trust, gun, 'snapshot', root.roles.snapshot)) return undefined
    const current = recallCurrent(trust, gun, head, 'targets')
    if (current === undefined) return undefined
    return await signRole(trust, gun, 'targets', named, nextTargets(current.signed, now), held)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    trust.log.error({ gun, err: error }, 'renewal of targets failed')
    return undefined
  }
}
