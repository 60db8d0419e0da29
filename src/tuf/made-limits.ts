import { refuse } from '../errors.ts'
import { JSON_MAX_MEMBERS } from './json/reader.ts'
import { SIGNATURES_MAX } from './metadata.ts'
import { isTargetsRole, problemOf, type Role } from './role.ts'

/** Members of a document outside its payload: `signed` and `signatures`. */
const AROUND = 2
/** A signature counts as one list element with three members. */
const PER_SIGNATURE = 4

/**
 * Refuses to make a document that our own parser would refuse: one with too many tags or signatures could be served, but
 * never changed again.
 *
 * @param members members and list elements of the payload
 * @param signatures their number
 * @throws TrustError INVALID_UPDATE
 */
export function limitMade(role: Role, members: number, signatures: number): void {
  const name = problemOf(role)
  if (signatures > SIGNATURES_MAX) refuse(name, `${role} would have more than ${SIGNATURES_MAX} signatures`)
  if (members + AROUND + PER_SIGNATURE * signatures <= JSON_MAX_MEMBERS) return
  // A tag takes four.
  const tags = isTargetsRole(role) ? `, some ${Math.floor(JSON_MAX_MEMBERS / 4)} tags` : ''
  refuse(name, `${role} would have more than ${JSON_MAX_MEMBERS} members and list elements${tags}`)
}
