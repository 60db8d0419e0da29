import type { Head, StoredKey } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import type { Metadata } from '../../tuf/metadata.ts'
import { recallCurrent } from '../current.ts'
import { targetsAreDue } from '../renewal/targets.ts'
import type { Trust } from '../trust.ts'
import type { Signing } from './signing-roles.ts'

/** A role to sign in, and what it has signed so far. */
export interface RoleBefore extends Signing {
  /** Its current document; undefined if there is none. */
  readonly current: Metadata | undefined
  /** The document whose tags are signed again, with those of the request: the current one, unless it is disowned. */
  readonly base: Metadata | undefined
  /** True if tags that it already has should be signed anew if requested. */
  readonly isDue: boolean
}

/**
 * Reads what a role has signed so far.
 *
 * Its current document is disowned if the owner has removed the keys that signed it: to sign its tags again would revive
 * them. Tags that this signer itself signed are kept.
 *
 * It is due if half of its life is over, if clients no longer believe it, or if this signer signed it and has another key
 * since.
 */
export function roleBefore(trust: Trust, gun: Gun, head: Head | undefined, signing: Signing, now: number): RoleBefore {
  const { role, named, held, own = [] } = signing
  const current = recallCurrent(trust, gun, head, role)
  if (current === undefined) return { ...signing, current, base: undefined, isDue: false }
  const isHalfOver = targetsAreDue(current.expires, now)
  // Stored targets are always signed by keys that the current root names.
  if (role === 'targets') return { ...signing, current, base: current, isDue: isHalfOver }
  const isDisowned = countSigners(current, new Map([...named.keys, ...byId(own)])) < named.threshold
  if (isDisowned) return { ...signing, current, base: undefined, isDue: false }
  const isBelieved = countSigners(current, named.keys) >= named.threshold
  const signedWith = countSigners(current, byId(held.map(({ key }) => key)))
  const lacksKey = signedWith > 0 && signedWith < held.length
  return { ...signing, current, base: current, isDue: isHalfOver || !isBelieved || lacksKey }
}

function byId(keys: readonly StoredKey[]): Map<string, StoredKey> {
  return new Map(keys.map((key) => [key.keyId, key]))
}
