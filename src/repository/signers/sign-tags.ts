import { TrustError } from '../../errors.ts'
import type { Actor, Head } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import type { Metadata } from '../../tuf/metadata.ts'
import { editTargets, type TargetsEdit } from '../../tuf/targets-edit.ts'
import { targetSha256 } from '../../tuf/targets.ts'
import { changeAndTell } from '../change.ts'
import { composeSigned } from '../compose-signed.ts'
import { recallCurrent } from '../current.ts'
import { TARGETS_LIFE, targetsAreDue } from '../renewal/targets.ts'
import { signRole, type Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'
import { findSigner } from './signers.ts'
import { signingRoles, type Signing } from './signing-roles.ts'

/** Which tags are to be signed, and which no more, by whom, and under which conditions. */
export interface SignRequest extends TargetsEdit {
  /** The signer to sign as, in somebody else's repository; undefined: the targets role of one that the server signs. */
  readonly as?: string | undefined
  /** The checksum that the first signing role must have now, `*` any, empty none; undefined: whatever it has. */
  readonly ifMatch?: string | undefined
  /** Called right before signing, and once more before anything is published: a policy refuses by throwing. */
  readonly permit?: (current: CurrentDigests, now: number) => void
}

/** What the signing roles and targets say of a tag now, hex; empty text for what has no SHA-256. Roles may differ. */
type CurrentDigests = (tag: string) => readonly string[]

/** What became of that. */
export interface SignResult {
  /** The roles that sign it. */
  readonly roles: readonly string[]
  /** False: it was all so already, not old, and nothing was published. */
  readonly changed: boolean
  /** Checksum of the first of these roles, for the next `ifMatch`. */
  readonly etag: string
  /** Tags that were in these roles, signed by keys that the owner has taken away since: they are not signed again. */
  readonly leftOut: readonly string[]
  /** Tags that were to be signed no more, and that none of these roles had: a slip of the keyboard, perhaps. */
  readonly absent: readonly string[]
}

/**
 * Have the server sign tags, or sign them no more: all in one publish. As docker does it, a delegate signs in every
 * delegation that names its key and whose paths fit: `targets/NAME` and `targets/releases`.
 *
 * @throws TrustError NOT_FOUND, WRONG_STATE if the server does not hold what is needed, PRECONDITION, POLICY
 */
export async function signTags(trust: Trust, gun: Gun, request: SignRequest, actor: Actor): Promise<SignResult> {
  const { set, remove, as: signer, ifMatch, permit } = request
  const { signed: made, ...result } = await changeAndTell(trust, gun, async (head, now) => {
    const signings = signingRoles(trust, gun, head, signer, [...set.map(({ tag }) => tag), ...remove])
    const roles = signings.map(({ role }) => role)
    const current = head?.roles[roles[0] ?? '']?.sha256 ?? ''
    if (ifMatch !== undefined && (ifMatch === '*' ? current === '' : ifMatch !== current)) {
      throw new TrustError('PRECONDITION', `the tags of ${gun} changed in the meantime`, { hint: 'list them again' })
    }
    const bases = signings.map((signing) => baseOf(trust, gun, head, signing, now))
    // Clients go on to targets, which are the owner's: what a delegate signs goes before them.
    const targets = head && recallCurrent(trust, gun, head, 'targets')
    const mustBePermitted = (): void =>
      permit?.((tag) => [...bases.map(({ valid }) => valid), targets].flatMap((each) => digestOf(each, tag)), now)
    mustBePermitted()
    const signed: Signed[] = []
    const leftOut = new Set<string>()
    for (const [index, { role, named, held }] of signings.entries()) {
      const { valid, invalid, old = false } = bases[index] ?? {}
      const anew = old && set.length > 0
      const payload = editTargets(valid?.signed, { set, remove }, now + TARGETS_LIFE, head?.highest[role] ?? 0, anew)
      if (payload === undefined) continue
      signed.push(await signRole(trust, gun, role, named, payload, held))
      const kept = payload['targets'] as JsonObject
      for (const tag of Object.keys(targetsOf(invalid))) if (kept[tag] === undefined) leftOut.add(tag)
    }
    for (const tag of remove) leftOut.delete(tag)
    const first = signed.find(({ metadata }) => metadata.role === roles[0])
    const told = {
      signed,
      roles,
      changed: signed.length > 0,
      etag: first?.metadata.checksums.sha256 ?? current,
      leftOut: [...leftOut],
      absent: remove.filter(
        (tag) => !bases.some(({ valid, invalid }) => Object.hasOwn(targetsOf(valid ?? invalid), tag)),
      ),
    }
    if (signed.length === 0) return [undefined, told]
    const draft = await composeSigned(trust, gun, head, now, signed, actor)
    // A token with keys takes its time.
    mustBePermitted()
    if (signer !== undefined) mustStillHold(trust, signer, signings)
    return [draft, told]
  })
  for (const { metadata } of made) trust.decoded.keep(gun, metadata)
  return result
}

/** @throws TrustError NOT_FOUND if the signer was removed meanwhile; WRONG_STATE if it has given up a key */
function mustStillHold(trust: Trust, signer: string, signings: readonly Signing[]): void {
  const { keyIds } = findSigner(trust, signer)
  const used = signings.flatMap(({ held }) => held.map(({ key }) => key.keyId))
  if (used.every((keyId) => keyIds.includes(keyId))) return
  throw new TrustError('WRONG_STATE', `the signer ${signer} has given up a key meanwhile`, { hint: 'try again' })
}

interface Base {
  readonly valid?: Metadata
  readonly invalid?: Metadata
  /** To ask for tags that it has already makes it anew: see below. */
  readonly old?: boolean
}

/**
 * What to go on from: the current document, if clients believe it. Owners take keys away, and leave behind what these
 * had signed; to sign that again would bring it back to life. What this signer itself has signed stays.
 *
 * It is old if half of its life is over, if clients believe it no more, or if this signer has signed it and has got
 * another key since.
 */
function baseOf(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  { role, named, held, own = [] }: Signing,
  now: number,
): Base {
  const metadata = head && recallCurrent(trust, gun, head, role)
  if (metadata === undefined) return {}
  const old = targetsAreDue(metadata.expires, now)
  // Targets are never stored under another root than one that names their keys.
  if (role === 'targets') return { valid: metadata, old }
  const ours = new Map(own.map((key) => [key.keyId, key] as const))
  if (countSigners(metadata, new Map([...named.keys, ...ours])) < named.threshold) return { invalid: metadata }
  const signedWith = countSigners(metadata, new Map(held.map(({ key }) => [key.keyId, key] as const)))
  const believed = countSigners(metadata, named.keys) >= named.threshold
  return { valid: metadata, old: old || !believed || (signedWith > 0 && signedWith < held.length) }
}

function targetsOf(metadata: Metadata | undefined): JsonObject {
  return (metadata?.signed['targets'] ?? {}) as JsonObject
}

function digestOf(metadata: Metadata | undefined, tag: string): string[] {
  const targets = targetsOf(metadata)
  const entry = Object.hasOwn(targets, tag) ? targets[tag] : undefined
  return entry === undefined ? [] : [targetSha256(entry) ?? '']
}
