import type { Actor, Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import { acceptUpdate } from '../tuf/update.ts'
import type { Draft } from './change.ts'
import { compose } from './compose.ts'
import { currentOf } from './current.ts'
import type { Signed } from './sign-role.ts'
import type { Trust } from './trust.ts'

/**
 * The publish of what was signed here: it is verified like any upload, and the server makes the snapshot that follows.
 *
 * @param head the head that it was computed from
 * @param now milliseconds since 1970
 * @returns undefined if all of it is current already
 * @throws TrustError INVALID_UPDATE, VERSION, SIGNING_FAILED
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
