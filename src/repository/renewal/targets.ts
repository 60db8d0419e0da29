import { TrustError } from '../../errors.ts'
import type { Head } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import type { Root } from '../../tuf/root.ts'
import { formatTime } from '../../tuf/time.ts'
import { recallCurrent } from '../current.ts'
import { heldKeys, holdsRole, signRole, type Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'

/** Life of targets that the server signs, in milliseconds: as in Notary's clients. */
export const TARGETS_LIFE = 1095 * 86_400_000

/** True if half of the life of targets is over. @param expires milliseconds since 1970 */
export function targetsAreDue(expires: number, now: number): boolean {
  return expires - now < TARGETS_LIFE / 2
}

/** Returns the payload of the next targets, with the same tags and a new expiry. @param now milliseconds since 1970 */
export function nextTargets(signed: JsonObject, now: number): JsonObject {
  return { ...signed, expires: formatTime(now + TARGETS_LIFE), version: Number(signed['version']) + 1 }
}

/**
 * Re-signs targets that the server signs, with the same tags, when half of their life is over. Owners and delegates must
 * renew their own documents, even if a delegate is a signer of the server.
 *
 * Only logs failures: there is more than a year left to try again, and an unusable key must not hold up the timestamp,
 * which lives for days.
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
