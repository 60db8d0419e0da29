import { refuse } from '../errors.ts'
import type { Json, JsonObject } from './json/json.ts'
import { JSON_MAX_MEMBERS } from './json/reader.ts'
import { SIGNATURES_MAX } from './metadata.ts'
import { isTargetsRole, problemOf, type Role } from './role.ts'

/** Members of a document outside its payload: `signed` and `signatures`. */
const AROUND = 2
/** A signature counts as one list element with three members. */
const PER_SIGNATURE = 4
/** The fewest characters that a member or element can take: `0,`. */
const CHARACTERS = 2

/**
 * Refuses to make a document that our own parser would refuse: one with too many tags or signatures could be served, but
 * never changed again.
 *
 * @param text canonical form of the payload
 * @param signatures their number
 * @throws TrustError INVALID_UPDATE
 */
export function limitMade(role: Role, payload: JsonObject, text: string, signatures: number): void {
  const name = problemOf(role)
  if (signatures > SIGNATURES_MAX) refuse(name, `${role} would have more than ${SIGNATURES_MAX} signatures`)
  if (text.length < JSON_MAX_MEMBERS * CHARACTERS) return
  if (membersIn(payload) + AROUND + PER_SIGNATURE * signatures <= JSON_MAX_MEMBERS) return
  // A tag takes four.
  const tags = isTargetsRole(role) ? `, some ${Math.floor(JSON_MAX_MEMBERS / 4)} tags` : ''
  refuse(name, `${role} would have more than ${JSON_MAX_MEMBERS} members and list elements${tags}`)
}

/** Counts members and list elements as `JsonReader` does. */
function membersIn(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0
  const values: readonly Json[] = Array.isArray(value) ? value : Object.values(value)
  return values.reduce<number>((count, each) => count + membersIn(each), values.length)
}
