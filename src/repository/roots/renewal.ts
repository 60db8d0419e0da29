import { unlessDamaged } from '../../errors.ts'
import type { Head } from '../../store/store.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import type { Root } from '../../tuf/root.ts'
import { rootCertificatesEnd } from '../expiry.ts'
import { holdsRole } from '../sign-role.ts'
import { signedHere, takeOverCommand } from '../signed-here.ts'
import type { Readable } from '../trust.ts'
import { isStaged, rootOf, signStagedCommand, stagedRoot } from './staged.ts'

/** Where the root keys are that have a name here, by key id. */
export type RootKeyPlaces = ReadonlyMap<string, 'sealed here' | 'offline'>

const NOBODY: RoleKeys = { keys: new Map(), threshold: 1 }

/**
 * Says how to renew the root of a repository and its root certificates; the holders of the root keys must do it.
 *
 * @param root the one in force; undefined if there is none
 * @returns `here`: true if all root keys can be opened here; `command`: what to type, preceded by what must be done first
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
  // A new root needs a new snapshot. If the publisher signs that, and no earlier root gives its key to the server, this one
  // must.
  const brings = root !== undefined && !adopted && !waits && !holdsRole(trust, gun, 'snapshot', root.roles.snapshot)
  const named = root?.roles.root ?? NOBODY
  const { here, byOwner, command } = renewal(gun, named, places, brings ? 'root snapshot' : 'root')
  // An owner's own next root replaces the staged one; the server cannot make one beside it.
  if (waits && (adopted || !byOwner)) {
    const sign = signStagedCommand(gun, here)
    return { here, command: isRenewed(trust, gun, named) ? sign : `first ${sign}, then ${command}` }
  }
  // Until an adopted repository is taken over, another server signs its snapshot.
  return { here, command: adopted ? `first ${takeOverCommand(gun)}, then ${command}` : command }
}

function renewal(
  gun: Gun,
  { keys }: RoleKeys,
  places: RootKeyPlaces,
  roles: string,
): { here: boolean; byOwner: boolean; command: string } {
  const found = new Set([...keys.values()].map((key) => places.get(canonicalKeyId(key))))
  const renew = `countersign key rotate ${shellQuoted(gun)} ${roles} --renew`
  if (found.has(undefined)) {
    return { here: false, byOwner: true, command: `its owner: notary key rotate ${shellQuoted(gun)} root` }
  }
  if (found.has('offline')) {
    return { here: false, byOwner: false, command: `countersign root import NAME FILE, then ${renew}` }
  }
  return { here: true, byOwner: false, command: renew }
}

/** True if the root certificates in the staged root end later. */
function isRenewed(trust: Readable, gun: Gun, named: RoleKeys): boolean {
  const next = unlessDamaged(() => {
    const staged = stagedRoot(trust, gun)
    return staged && rootCertificatesEnd(rootOf(staged).roles.root)
  })
  return next !== undefined && next > (rootCertificatesEnd(named) ?? Infinity)
}
