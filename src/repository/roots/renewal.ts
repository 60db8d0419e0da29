import { unlessDamaged } from '../../errors.ts'
import type { Head } from '../../store/store.ts'
import { typed, type Gun } from '../../tuf/gun.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import type { Root } from '../../tuf/root.ts'
import { rootCertificatesEnd } from '../expiry.ts'
import { holdsRole } from '../sign-role.ts'
import { signedHere, takeOverCommand } from '../signed-here.ts'
import type { Readable } from '../trust.ts'
import { isStaged, rootOf, signStagedCommand, stagedRoot } from './staged.ts'

/** Where root keys are that have a name here, by key id. */
export type RootKeyPlaces = ReadonlyMap<string, 'sealed here' | 'offline'>

const NOBODY: RoleKeys = { keys: new Map(), threshold: 1 }

/**
 * How the root of a repository, and its root keys' certificates, are put off: who holds the keys must do it.
 *
 * @param root the one in force; undefined: there is none
 * @returns `here`: all of them can be opened here; `command`: what to type, first what is in the way of it
 */
export function rootRenewal(
  trust: Readable,
  gun: Gun,
  head: Head | undefined,
  root: Root | undefined,
  places: RootKeyPlaces,
): { here: boolean; command: string } {
  const adopted = head !== undefined && !signedHere(head)
  const waits = isStaged(trust, gun)
  // With a new root goes a new snapshot: where its publisher signs that, and no other root brings its key before, this one does.
  const brings = root !== undefined && !adopted && !waits && !holdsRole(trust, gun, 'snapshot', root.roles.snapshot)
  const named = root?.roles.root ?? NOBODY
  const { here, byOwner, command } = renewal(gun, named, places, brings ? 'root snapshot' : 'root')
  // An owner's own next root takes the place of one that waits; here none can be made beside it.
  if (waits && (adopted || !byOwner)) {
    const sign = signStagedCommand(gun, here)
    return { here, command: isRenewed(trust, gun, named) ? sign : `first ${sign}, then ${command}` }
  }
  // That snapshot another server signs until then.
  return { here, command: adopted ? `first ${takeOverCommand(gun)}, then ${command}` : command }
}

function renewal(
  gun: Gun,
  { keys }: RoleKeys,
  places: RootKeyPlaces,
  roles: string,
): { here: boolean; byOwner: boolean; command: string } {
  const found = new Set([...keys.values()].map((key) => places.get(canonicalKeyId(key))))
  const renew = `countersign key rotate ${typed(gun)} ${roles} --renew`
  if (found.has(undefined)) {
    return { here: false, byOwner: true, command: `its owner: notary key rotate ${typed(gun)} root` }
  }
  if (found.has('offline')) {
    return { here: false, byOwner: false, command: `countersign root import NAME FILE, then ${renew}` }
  }
  return { here: true, byOwner: false, command: renew }
}

/** True if the root that waits puts off the end of the root certificates. */
function isRenewed(trust: Readable, gun: Gun, named: RoleKeys): boolean {
  const next = unlessDamaged(() => {
    const staged = stagedRoot(trust, gun)
    return staged && rootCertificatesEnd(rootOf(staged).roles.root)
  })
  return next !== undefined && next > (rootCertificatesEnd(named) ?? Infinity)
}
