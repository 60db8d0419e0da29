import type { JsonObject } from './json/json.ts'
import { keyEntry } from './keys/key.ts'
import type { RoleKeys } from './keys/threshold.ts'
import { BASE_ROLES, type BaseRole } from './role.ts'
import { formatTime } from './time.ts'

/**
 * Returns the payload of a root (wire spec §11.1), without keys of earlier roots: readers take those from these roots.
 *
 * @param expires milliseconds since 1970
 */
export function rootPayload(version: number, expires: number, roles: Readonly<Record<BaseRole, RoleKeys>>): JsonObject {
  const keys: Record<string, JsonObject> = {}
  const named: Record<string, JsonObject> = {}
  for (const role of BASE_ROLES) {
    const { keys: ofRole, threshold } = roles[role]
    for (const [id, key] of ofRole) keys[id] = keyEntry(key)
    named[role] = { keyids: [...ofRole.keys()].toSorted(), threshold }
  }
  return { _type: 'Root', consistent_snapshot: false, expires: formatTime(expires), keys, roles: named, version }
}
