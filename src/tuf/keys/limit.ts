import { certificatesOf } from '../asn1/x509.ts'
import type { Fail } from '../json/members.ts'
import type { RoleKeys } from './threshold.ts'

/** Reading a key or certificate blocks the thread for up to a millisecond. */
const KEYS_MAX = 2_000

/**
 * Limits the number of different keys and certificates to read for one update: uploaders choose how many there are, and
 * every later update reads them again.
 *
 * @param counted the keys counted so far, by id, and each further certificate of a key; this function adds to it
 * @param fail called if there are too many
 */
export function limitKeys(roles: Iterable<RoleKeys>, counted: Set<string>, fail: Fail): void {
  for (const { keys } of roles) {
    for (const [id, key] of keys) {
      // Many delegations may name the same key.
      if (counted.has(id)) continue
      const certificates = key.keytype.endsWith('-x509') ? (certificatesOf(key)?.length ?? 1) : 1
      counted.add(id)
      for (let further = 1; further < certificates; further += 1) counted.add(`${id} ${further}`)
    }
  }
  if (counted.size > KEYS_MAX) fail(`more than ${KEYS_MAX} keys and certificates to read for one update`)
}
