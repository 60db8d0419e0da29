import type { Head } from '../store/store.ts'
import { typed, type Gun } from '../tuf/gun.ts'
import { canonicalKeyId, type PublicKey } from '../tuf/key.ts'
import { signedHere, takeOverCommand } from './signed-here.ts'

/** Where root keys are that have a name here, by key id. */
export type RootKeyPlaces = ReadonlyMap<string, 'sealed here' | 'offline'>

/**
 * How the root of a repository, and its root keys' certificates, are put off: who holds the keys must do it.
 *
 * @param keys of root, as the root in force names them
 */
export function rootRenewal(
  gun: Gun,
  head: Head | undefined,
  keys: readonly PublicKey[],
  places: RootKeyPlaces,
): { here: boolean; command: string } {
  const { here, command } = renewal(gun, keys, places)
  // With a new root goes a new snapshot, which another server signs until then.
  const first = head === undefined || signedHere(head) ? '' : `first ${takeOverCommand(gun)}, then `
  return { here, command: `${first}${command}` }
}

function renewal(gun: Gun, keys: readonly PublicKey[], places: RootKeyPlaces): { here: boolean; command: string } {
  const found = new Set(keys.map((key) => places.get(canonicalKeyId(key))))
  const renew = `countersign key rotate ${typed(gun)} root --renew`
  if (found.has(undefined)) return { here: false, command: `its owner: notary key rotate ${typed(gun)} root` }
  if (found.has('offline')) return { here: false, command: `countersign root import NAME FILE, then ${renew}` }
  return { here: true, command: renew }
}
