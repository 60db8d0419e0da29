import type { Json, JsonObject } from './json.ts'

/** True if both are equal, whatever the order of members. */
export function sameJson(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  const members = one as JsonObject
  const others = other as JsonObject
  if (Array.isArray(one) !== Array.isArray(other)) return false
  let count = 0
  for (const name in members) {
    if (!sameJson(members[name], others[name])) return false
    count += 1
  }
  for (const _ in others) count -= 1
  return count === 0
}
