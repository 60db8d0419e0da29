import { certificatesOf } from '../asn1/x509.ts'
import type { Fail } from '../json/members.ts'
import type { RoleKeys } from './threshold.ts'

/** Nothing else is done while a key is read, or a certificate of one, which takes up to a millisecond. */
const KEYS_MAX = 2_000

/**
 * Whoever uploads chooses how many keys there are to read, with this upload and with each that follows.
 *
 * @param counted different keys until now, by their ids, and each further certificate of one
 * @param fail called when there are too many
 */
export function limitKeys(roles: Iterable<RoleKeys>, counted: Set<string>, fail: Fail): void {
  for (const { keys } of roles) {
    for (const [id, key] of keys) {
      // Delegations name the same key again and again.
      if (counted.has(id)) continue
      const certificates = key.keytype.endsWith('-x509') ? (certificatesOf(key)?.length ?? 1) : 1
      counted.add(id)
      for (let further = 1; further < certificates; further += 1) counted.add(`${id} ${further}`)
    }
  }
  if (counted.size > KEYS_MAX) fail(`more than ${KEYS_MAX} keys and certificates in what one update is about`)
}
