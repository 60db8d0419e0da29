import { isUsable, type ApiToken } from '../access/api-token.ts'
import { TrustError } from '../errors.ts'
import type { StoredRecord } from '../store/store.ts'

/** Tokens of one user that can be used. */
const TOKENS_MAX = 100
/** Of one user's tokens that ended, so many are kept, to be seen in lists. The journal names them for ever. */
const ENDED_KEPT = 100
/** That are removed with one commit. */
const REMOVED_MAX = 100

/**
 * Whoever may make tokens of their own makes any number otherwise, and all of them are read whenever one is made. Admins
 * of the server, who can do worse, may: for each of many machines, say.
 *
 * @param tokens all of them
 * @param owner null: made on the server itself, as many as are wanted
 * @param now milliseconds since 1970
 * @param byAdmin an admin of the server makes it
 * @returns what removes the oldest of those that ended
 * @throws TrustError WRONG_STATE if the owner has as many as one may
 */
export function roomForToken(
  tokens: readonly ApiToken[],
  owner: string | null,
  now: number,
  byAdmin: boolean,
): StoredRecord[] {
  if (owner === null) return []
  const own = tokens.filter((token) => token.owner === owner)
  if (!byAdmin && own.filter((token) => isUsable(token, now)).length >= TOKENS_MAX) {
    throw new TrustError('WRONG_STATE', `${owner} has ${TOKENS_MAX} tokens, more are not made for one user`, {
      hint: 'revoke those that are not needed: "countersign token list" prints all',
    })
  }
  const ended = own.filter((token) => !isUsable(token, now))
  return ended
    .toSorted((one, other) => lastOf(other) - lastOf(one))
    .slice(ENDED_KEPT, ENDED_KEPT + REMOVED_MAX)
    .map(({ id }) => ({ kind: 'token', name: id, value: null }))
}

/**
 * By this the last are kept. When the clock is ahead for a while, all tokens seem to have ended: those that have not are
 * later than all others, and no more than are kept.
 */
function lastOf({ revoked, createdAt, expires }: ApiToken): number {
  return revoked ? createdAt : (expires ?? Infinity)
}
