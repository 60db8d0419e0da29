import type { Actor, Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { acceptUpdate } from '../tuf/update.ts'
import type { Draft } from './change.ts'
import { compose } from './compose.ts'
import { currentOf } from './current.ts'
import type { Signed } from './sign-role.ts'
import type { Trust } from './trust.ts'

/**
 * Composes the publish of documents signed here: verifies them like any upload, and makes the next snapshot.
 *
 * @param head the head that they were computed from
 * @param now milliseconds since 1970
 * @returns undefined if all of them are current already
 * @throws TrustError INVALID_UPDATE, VERSION, SIGNING_FAILED, SIGNER_UNAVAILABLE, CORRUPT
 */
export async function composeSigned(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  now: number,
  signed: readonly Signed[],
  actor: Actor,
): Promise<Draft | undefined> {
  const uploads = signed.map(({ metadata }) => metadata)
  const accepted = acceptUpdate(gun, currentOf(trust, gun, head), uploads, now)
  if (accepted === undefined) return undefined
  const draft = await compose(trust, gun, head, now, { ...accepted, makesSnapshot: true })
  return { kind: 'publish', actor, ...draft, keys: [...draft.keys, ...signed.flatMap(({ keys }) => keys)] }
}
