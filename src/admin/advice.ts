import { setImmediate } from 'node:timers/promises'
import { damageIn } from '../errors.ts'
import { currentDelegations, currentRoot } from '../repository/current.ts'
import { DAMAGED, rootCertificatesEnd, type Ending } from '../repository/expiry.ts'
import { rootRenewal, type RootKeyPlaces } from '../repository/roots/renewal.ts'
import { heldRoles } from '../repository/roots/rotation-policy.ts'
import { signStagedCommand, stagedRoot } from '../repository/roots/staged.ts'
import { heldKeys } from '../repository/sign-role.ts'
import { signedHere, takeOverCommand } from '../repository/signed-here.ts'
import { signerNameOf } from '../repository/signers/signers.ts'
import type { Trust } from '../repository/trust.ts'
import type { StoredKey } from '../store/store.ts'
import { SERVER, shellQuoted, type Gun } from '../tuf/gun.ts'
import { isDelegation, parentOf, type TargetsRole } from '../tuf/role.ts'
import type { Targets } from '../tuf/targets.ts'
import type { World } from './operation.ts'
import { rootKeyPlaces } from './root-keys.ts'
import { adviceForServer } from './server-advice.ts'

/** Returns what to do about something that ends, mostly a command. */
type Advice = (ending: Ending) => Promise<string>

/** Who holds a repository's keys, as far as advice depends on it. */
interface Holders {
  /** How its root is renewed; `here`: the command line can sign it. */
  readonly root: { readonly here: boolean; readonly command: string }
  /** Delegations by delegating role, as far as they were read. */
  readonly delegations: Map<TargetsRole, Targets['delegations']>
  /** Roles that the server signs. */
  readonly held: ReadonlySet<string>
  /** False: adopted, and still signed by another server. */
  readonly signedHere: boolean
  /** True: its root certificates have expired. */
  readonly tooLate: boolean
}

/** Returns advice for many endings; reads what it depends on once per repository. @param own certificates of the server */
export async function adviceFor(world: World, own: readonly Ending[]): Promise<Advice> {
  const { trust } = world
  let places: RootKeyPlaces | undefined
  const known = new Map<Gun, Holders>()
  const holdersOf = async (gun: Gun): Promise<Holders> => {
    const before = known.get(gun)
    if (before !== undefined) return before
    await setImmediate()
    places ??= await rootKeyPlaces(trust)
    const head = trust.store.head(gun)
    const root = currentRoot(trust, gun, head)
    const end = root && rootCertificatesEnd(root.roles.root)
    const held = root === undefined ? [] : heldRoles(trust, gun, root.roles)
    const found = {
      root: rootRenewal(trust, gun, head, root, places),
      delegations: new Map<TargetsRole, Targets['delegations']>(),
      held: new Set(held.map(({ role }) => role)),
      signedHere: head === undefined || signedHere(head),
      tooLate: end !== undefined && end <= trust.now(),
    }
    known.set(gun, found)
    return found
  }
  return async (ending) => {
    const { gun, what, expires } = ending
    if (what === DAMAGED) return REPAIR
    if (gun === undefined) return adviceForServer(ending, own, trust.now())
    try {
      return forRepository(world, gun, what, expires < trust.now(), await holdersOf(gun))
    } catch (error) {
      // What ends can be read, but not who holds the keys.
      damageIn(error)
      return REPAIR
    }
  }
}

const REPAIR = 'countersign check; stop, countersign repair'

function forRepository(world: World, gun: Gun, what: string, ended: boolean, holders: Holders): string {
  const { trust } = world
  const { root, held, signedHere: here, tooLate } = holders
  if (tooLate) return forDead(gun)
  // Nobody can publish anything before that.
  if (!here) return nextRoot(trust, gun, root.here, takeOverCommand(gun))
  if (what === 'root' || what === 'root certificate') return root.command
  // If the publisher signs the snapshot, the server cannot publish.
  const first = held.has('snapshot') ? '' : `its owner: notary key rotate ${shellQuoted(gun)} snapshot -r; then `
  if (what.endsWith(' key')) {
    const role = what.slice(0, -' key'.length)
    const byOwner = role === 'targets' ? undefined : `its owner: notary key rotate ${shellQuoted(gun)} ${role} -r`
    // A new key needs a new snapshot, which then only the publisher can sign.
    if (byOwner !== undefined && !held.has('snapshot')) return byOwner
    return first + nextRoot(trust, gun, root.here, `countersign key rotate ${shellQuoted(gun)} ${role}`, byOwner)
  }
  // New targets need a new snapshot.
  if (held.has(what) && held.has('snapshot')) return 'nothing: the server re-signs it by itself'
  if (ended && !isDelegation(what)) return forExpired(trust, gun, what, holders)
  if (what === 'snapshot') return `its owner: notary publish ${shellQuoted(gun)}`
  if (what === 'targets') return forTargets(trust, gun, holders)
  const { signer, lost = [] } = signersFor(world, gun, what, holders)
  if (signer !== undefined)
    return `${first}countersign tag sign ${shellQuoted(gun)} TAG --as ${signer}, a tag that it has signed`
  if (lost.length > 0) return withoutSigner(trust, gun, lost, held.has('targets') ? first : undefined)
  // Once it has expired, docker starts it anew, with a version that was used already.
  const byDocker = ended ? '' : `${SIGN_MORE}, or `
  return `whoever signs it: ${byDocker}notary witness -p ${shellQuoted(gun)} ${what}`
}

/** docker signs nothing anew for a tag that is signed already. */
const SIGN_MORE = 'docker trust sign of a tag not signed yet'
/** No client accepts a root that was signed after its certificates expired. */
function forDead(gun: Gun): string {
  return `too late: countersign repo delete ${shellQuoted(gun)}, then a new repository; every client must forget this one`
}

/** docker signs no tags in targets that delegate: there, only adding a signer makes it sign targets. */
function forTargets(trust: Trust, gun: Gun, holders: Holders): string {
  const witness = `notary witness -p ${shellQuoted(gun)} targets`
  const delegates = (delegationsIn(trust, gun, 'targets', holders)?.size ?? 0) > 0
  return delegates
    ? `its owner: ${witness}, or docker trust signer add, with a new signer or one that is there`
    : `its owner: ${SIGN_MORE}, or ${witness}`
}

/** Reads each delegating role once. */
function delegationsIn(
  trust: Trust,
  gun: Gun,
  role: TargetsRole,
  { delegations }: Holders,
): Targets['delegations'] | undefined {
  const known = delegations.get(role) ?? currentDelegations(trust, gun, trust.store.head(gun), role)
  if (known !== undefined) delegations.set(role, known)
  return known
}

/** Clients read before they sign, and refuse expired metadata: the server must sign a snapshot or targets over it. */
function forExpired(trust: Trust, gun: Gun, what: string, { root, held }: Holders): string {
  const snapshot = nextRoot(trust, gun, root.here, takeOverCommand(gun))
  if (what === 'snapshot') return snapshot
  const first = held.has('snapshot') ? '' : `${snapshot}; then `
  return `${first}countersign key import ${shellQuoted(gun)} targets --file FILE, the owner's key file`
}

/** Returns how a rotation continues, or begins. @param byOwner what an owner can do in one step, with their own client */
function nextRoot(
  trust: Trust,
  gun: Gun,
  here: boolean,
  rotate: string,
  byOwner = `${rotate} --stage, and its owner signs that root`,
): string {
  if (stagedRoot(trust, gun) === undefined) return here ? rotate : byOwner
  return signStagedCommand(gun, here)
}

/** How the server can sign a delegation. */
interface Signers {
  /** A signer that can sign it all by itself. */
  readonly signer?: string | undefined
  /** Keys of the server that no signer uses any more, if nobody at all can sign the delegation. */
  readonly lost?: readonly StoredKey[]
}

function signersFor({ trust }: World, gun: Gun, role: string, holders: Holders): Signers {
  if (!isDelegation(role)) return {}
  const named = delegationsIn(trust, gun, parentOf(role), holders)?.get(role)
  if (named === undefined) return {}
  const held = heldKeys(trust, gun, role, named).filter(({ owner }) => owner === SERVER)
  const names = held.flatMap(({ key }) => signerNameOf(trust, key) ?? [])
  const signer = names.find((name) => names.filter((each) => each === name).length >= named.threshold)
  const lost = held.flatMap(({ key }) => (signerNameOf(trust, key) === undefined ? [key] : []))
  return named.keys.size - lost.length < named.threshold ? { signer, lost } : { signer }
}

/** @param first commands that come before, if the server signs targets; undefined: their owner does */
function withoutSigner(trust: Trust, gun: Gun, lost: readonly StoredKey[], first: string | undefined): string {
  const name = lost[0]?.role.slice('targets/'.length) ?? ''
  // The signer has a newer key, which is not delegated to yet.
  const isHere = trust.store.record('signer', name) !== undefined
  if (first !== undefined)
    return `${first}countersign delegation ${isHere ? 'add' : 'remove'} ${shellQuoted(gun)} ${name}`
  if (isHere) return `its owner: docker trust signer add --key ${name}.pem ${name} ${shellQuoted(gun)}`
  return `its owner: notary delegation purge -p ${shellQuoted(gun)} ${lost.map(({ keyId }) => `--key ${keyId}`).join(' ')}`
}
