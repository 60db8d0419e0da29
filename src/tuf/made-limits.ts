import { refuse } from '../errors.ts'
import type { Json, JsonObject } from './json/json.ts'
import { JSON_MAX_MEMBERS } from './json/reader.ts'
import { SIGNATURES_MAX } from './metadata.ts'
import { isTargetsRole, problemOf, type Role } from './role.ts'

/** What a document has around its payload: `signed` and `signatures`. */
const AROUND = 2
/** A signature is an element of a list, and has three members. */
const PER_SIGNATURE = 4
/** Characters that a member or an element takes at least: `0,`. */
const CHARACTERS = 2

/**
 * What is made must be read again: a document with too many tags, or signatures, could be served, and never be changed any
 * more.
 *
 * @param text canonical form of the payload
 * @param signatures how many there are
 * @throws TrustError INVALID_UPDATE
 */
export function limitMade(role: Role, payload: JsonObject, text: string, signatures: number): void {
  const name = problemOf(role)
  if (signatures > SIGNATURES_MAX) refuse(name, `${role} would have more than ${SIGNATURES_MAX} signatures`)
  if (text.length < JSON_MAX_MEMBERS * CHARACTERS) return
  if (membersIn(payload) + AROUND + PER_SIGNATURE * signatures <= JSON_MAX_MEMBERS) return
  // Each tag has four.
  const tags = isTargetsRole(role) ? `, some ${Math.floor(JSON_MAX_MEMBERS / 4)} tags` : ''
  refuse(name, `${role} would have more than ${JSON_MAX_MEMBERS} members and list elements${tags}`)
}

/** As the reader counts them. */
function membersIn(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0
  const values: readonly Json[] = Array.isArray(value) ? value : Object.values(value)
  return values.reduce<number>((count, each) => count + membersIn(each), values.length)
}
