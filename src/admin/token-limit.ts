import { isUsable, type ApiToken } from '../access/api-token.ts'
import { TrustError } from '../errors.ts'
import type { StoredRecord } from '../store/store.ts'

/** Most usable tokens of one user. */
const TOKENS_MAX = 100
/** Expired and revoked tokens of one user that are kept for lists. The journal names them forever. */
const ENDED_KEPT = 100
/** Most tokens removed with one commit. */
const REMOVED_MAX = 100

/**
 * Limits the tokens of one user: whoever may make tokens of their own could otherwise make any number, and making one reads
 * them all. Admins of the server, who can do worse, have no limit: they may need a token for each of many machines.
 *
 * @param tokens all of them
 * @param owner null: made on the server itself, without limit
 * @param now milliseconds since 1970
 * @param byAdmin true: an admin of the server makes it
 * @returns what removes the oldest tokens that are no longer usable
 * @throws TrustError WRONG_STATE if the owner has as many as allowed
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
    throw new TrustError('WRONG_STATE', `${owner} has ${TOKENS_MAX} tokens, the most for one user`, {
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
 * Returns a time that orders tokens; the latest are kept. If the clock is ahead for a while, all tokens seem to have
 * expired: those that have not are later than all others, and at most as many as are kept.
 */
function lastOf({ revoked, createdAt, expires }: ApiToken): number {
  return revoked ? createdAt : (expires ?? Infinity)
}
