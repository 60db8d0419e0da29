import { setImmediate } from 'node:timers/promises'
import { damageIn } from '../errors.ts'
import { DAMAGED, MISSING_KEYS, type Ending } from '../repository/expiry.ts'
import type { RootKeyPlaces } from '../repository/roots/renewal.ts'
import { signStagedCommand, stagedRoot } from '../repository/roots/staged.ts'
import { takeOverCommand } from '../repository/signed-here.ts'
import type { StoredKey } from '../store/store.ts'
import { shellQuoted, type Gun } from '../tuf/gun.ts'
import { isDelegation } from '../tuf/role.ts'
import { delegationsIn, holdersOf, signersFor, type Holders } from './holders.ts'
import type { World } from './operation.ts'
import { rootKeyPlaces } from './root-keys.ts'
import { adviceForServer } from './server-advice.ts'

/** Returns what to do about something that ends, mostly a command. */
type Advice = (ending: Ending) => Promise<string>

/** Returns advice for many endings; reads what it depends on once per repository. @param own certificates of the server */
export async function adviceFor(world: World, own: readonly Ending[]): Promise<Advice> {
  const { trust } = world
  let places: RootKeyPlaces | undefined
  const known = new Map<Gun, Holders>()
  const holdersIn = async (gun: Gun): Promise<Holders> => {
    const before = known.get(gun)
    if (before !== undefined) return before
    // There may be thousands of repositories: let the server answer in between.
    await setImmediate()
    places ??= await rootKeyPlaces(trust)
    const found = holdersOf(trust, gun, places)
    known.set(gun, found)
    return found
  }
  return async (ending) => {
    const { gun, what, expires, reason } = ending
    if (what === DAMAGED) return REPAIR
    if (gun === undefined) return adviceForServer(ending, own, trust.now())
    try {
      const holders = await holdersIn(gun)
      if (what === MISSING_KEYS) return `${reason}; if it is lost: ${withoutMissingKeys(holders)}`
      return forRepository(holders, what, expires < trust.now())
    } catch (error) {
      // What ends can be read, but not who holds the keys.
      damageIn(error)
      return REPAIR
    }
  }
}

const REPAIR = 'countersign check; stop, countersign repair'

/** @param what that ends, such as `targets` or `snapshot key` @param ended true: it has ended already */
function forRepository(holders: Holders, what: string, ended: boolean): string {
  const { gun, root, held, signedHere, tooLate } = holders
  if (tooLate) return forDead(gun)
  // Nobody can publish anything before that.
  if (!signedHere) return nextRoot(holders, takeOverCommand(gun))
  // Clients read before they sign, and refuse an expired root; from one that is signed here, they follow to the next.
  if (what === 'root' && ended && !root.here) return nextRoot(holders, takeOverCommand(gun))
  if (what === 'root' || what === 'root certificate') return root.command
  // If the publisher signs the snapshot, the server cannot publish.
  const first = held.has('snapshot') ? '' : `its owner: notary key rotate ${shellQuoted(gun)} snapshot -r; then `
  if (what.endsWith(' key')) {
    const role = what.slice(0, -' key'.length)
    const byOwner = role === 'targets' ? undefined : `its owner: notary key rotate ${shellQuoted(gun)} ${role} -r`
    // A new key needs a new snapshot, which then only the publisher can sign.
    if (byOwner !== undefined && !held.has('snapshot')) return byOwner
    return first + nextRoot(holders, `countersign key rotate ${shellQuoted(gun)} ${role}`, byOwner)
  }
  // New targets need a new snapshot.
  if (held.has(what) && held.has('snapshot')) return 'nothing: the server re-signs it by itself'
  if (ended && !isDelegation(what)) return forExpired(holders, what)
  if (what === 'snapshot') return `its owner: notary publish ${shellQuoted(gun)}`
  if (what === 'targets') return forTargets(holders)
  const { signer, lost = [] } = signersFor(holders, what)
  if (signer !== undefined)
    return `${first}countersign tag sign ${shellQuoted(gun)} TAG --as ${signer}, a tag that it has signed`
  if (lost.length > 0) return withoutSigner(holders, lost, held.has('targets') ? first : undefined)
  // Once it has expired, docker starts it anew, with a version that was used already.
  const byDocker = ended ? '' : `${SIGN_MORE}, or `
  return `whoever signs it: ${byDocker}notary witness -p ${shellQuoted(gun)} ${what}`
}

/** docker signs nothing anew for a tag that is signed already. */
const SIGN_MORE = 'docker trust sign of a tag not signed yet'

/** The next root replaces all keys of the server at once: each document that is signed with it may need a lost one. */
function withoutMissingKeys(holders: Holders): string {
  const gun = shellQuoted(holders.gun)
  // A new timestamp key needs a new snapshot, which then only the publisher can sign.
  if (!holders.held.has('snapshot')) return `its owner: notary key rotate ${gun} timestamp -r`
  return nextRoot(holders, `countersign key rotate ${gun} server-managed`)
}

/** No client accepts a root that was signed after its certificates expired. */
function forDead(gun: Gun): string {
  return `too late: countersign repo delete ${shellQuoted(gun)}, then a new repository; every client must forget this one`
}

/** docker signs no tags in targets that delegate: there, only adding a signer makes it sign targets. */
function forTargets(holders: Holders): string {
  const witness = `notary witness -p ${shellQuoted(holders.gun)} targets`
  const delegates = (delegationsIn(holders)?.size ?? 0) > 0
  return delegates
    ? `its owner: ${witness}, or docker trust signer add, with a new signer or one that is there`
    : `its owner: ${SIGN_MORE}, or ${witness}`
}

/** Clients read before they sign, and refuse expired metadata: the server must sign a snapshot or targets over it. */
function forExpired(holders: Holders, what: string): string {
  const { gun, held } = holders
  const snapshot = nextRoot(holders, takeOverCommand(gun))
  if (what === 'snapshot') return snapshot
  const first = held.has('snapshot') ? '' : `${snapshot}; then `
  return `${first}countersign key import ${shellQuoted(gun)} targets --file FILE, the owner's key file`
}

/** Returns how a rotation continues, or begins. @param byOwner what an owner can do in one step, with their own client */
function nextRoot(
  { trust, gun, root }: Holders,
  rotate: string,
  byOwner = `${rotate} --stage, and its owner signs that root`,
): string {
  if (stagedRoot(trust, gun) === undefined) return root.here ? rotate : byOwner
  return signStagedCommand(gun, root.here)
}

/** @param first commands that come before, if the server signs targets; undefined: their owner does */
function withoutSigner({ trust, gun }: Holders, lost: readonly StoredKey[], first: string | undefined): string {
  const name = lost[0]?.role.slice('targets/'.length) ?? ''
  // The signer has a newer key, which is not delegated to yet.
  const isHere = trust.store.record('signer', name) !== undefined
  if (first !== undefined)
    return `${first}countersign delegation ${isHere ? 'add' : 'remove'} ${shellQuoted(gun)} ${name}`
  if (isHere) return `its owner: docker trust signer add --key ${name}.pem ${name} ${shellQuoted(gun)}`
  return `its owner: notary delegation purge -p ${shellQuoted(gun)} ${lost.map(({ keyId }) => `--key ${keyId}`).join(' ')}`
}
