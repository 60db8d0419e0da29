import { TrustError } from '../../errors.ts'
import type { Actor, Head } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { countSigners } from '../../tuf/keys/threshold.ts'
import type { Metadata } from '../../tuf/metadata.ts'
import { editTargets, type TargetsEdit } from '../../tuf/targets-edit.ts'
import { targetSha256 } from '../../tuf/targets.ts'
import { changeWithResult } from '../change.ts'
import { composeSigned } from '../compose-signed.ts'
import { recallCurrent } from '../current.ts'
import { TARGETS_LIFE, targetsAreDue } from '../renewal/targets.ts'
import { signRole, type Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'
import { findSigner } from './signers.ts'
import { signingRoles, type Signing } from './signing-roles.ts'

/** Which tags to sign and which to remove, as whom, and under which conditions. */
export interface SignRequest extends TargetsEdit {
  /** The signer to sign as, in somebody else's repository; undefined for targets of a repository that the server signs. */
  readonly as?: string | undefined
  /** The checksum that the first signing role must have now: `*` any, empty none; undefined for no condition. */
  readonly ifMatch?: string | undefined
  /** Called right before signing, and again before publishing: a policy refuses by throwing. */
  readonly permit?: (current: CurrentDigests, now: number) => void
}

/** Returns the current digests of a tag, in hex, in the signing roles and targets, which may differ; '' without a SHA-256. */
type CurrentDigests = (tag: string) => readonly string[]

/** The result of a request. */
export interface SignResult {
  /** The roles that sign. */
  readonly roles: readonly string[]
  /** False if nothing had to change or was old, so that nothing was published. */
  readonly changed: boolean
  /** Checksum of the first of these roles, for the next `ifMatch`. */
  readonly etag: string
  /** Tags of these roles that were not signed again, since the owner has removed the keys that signed them. */
  readonly leftOut: readonly string[]
  /** Tags that should be removed but that none of these roles had: perhaps a typing error. */
  readonly absent: readonly string[]
}

/**
 * Has the server sign and remove tags, all in one publish. As in docker, a delegate signs in every delegation that names its
 * key and whose paths fit: `targets/NAME` and `targets/releases`.
 *
 * @throws TrustError NOT_FOUND; WRONG_STATE if the server does not hold the keys needed; PRECONDITION; POLICY
 */
export async function signTags(trust: Trust, gun: Gun, request: SignRequest, actor: Actor): Promise<SignResult> {
  const { set, remove, as: signer, ifMatch, permit } = request
  const { signed: made, ...result } = await changeWithResult(trust, gun, async (head, now) => {
    const signings = signingRoles(trust, gun, head, signer, [...set.map(({ tag }) => tag), ...remove])
    const roles = signings.map(({ role }) => role)
    const current = head?.roles[roles[0] ?? '']?.sha256 ?? ''
    if (ifMatch !== undefined && (ifMatch === '*' ? current === '' : ifMatch !== current)) {
      throw new TrustError('PRECONDITION', `the tags of ${gun} changed in the meantime`, { hint: 'list them again' })
    }
    const bases = signings.map((signing) => baseOf(trust, gun, head, signing, now))
    // A policy must also see the owner's targets, which the delegate's tags would override for clients.
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
    const outcome = {
      signed,
      roles,
      changed: signed.length > 0,
      etag: first?.metadata.checksums.sha256 ?? current,
      leftOut: [...leftOut],
      absent: remove.filter(
        (tag) => !bases.some(({ valid, invalid }) => Object.hasOwn(targetsOf(valid ?? invalid), tag)),
      ),
    }
    if (signed.length === 0) return [undefined, outcome]
    const draft = await composeSigned(trust, gun, head, now, signed, actor)
    // Signing with a PKCS#11 token may have taken a while: check again.
    mustBePermitted()
    if (signer !== undefined) mustStillHold(trust, signer, signings)
    return [draft, outcome]
  })
  for (const { metadata } of made) trust.decoded.keep(gun, metadata)
  return result
}

/** @throws TrustError NOT_FOUND if the signer was removed meanwhile; WRONG_STATE if it has given up a key that was used */
function mustStillHold(trust: Trust, signer: string, signings: readonly Signing[]): void {
  const { keyIds } = findSigner(trust, signer)
  const used = signings.flatMap(({ held }) => held.map(({ key }) => key.keyId))
  if (used.every((keyId) => keyIds.includes(keyId))) return
  throw new TrustError('WRONG_STATE', `the signer ${signer} gave up a key in the meantime`, { hint: 'try again' })
}

interface Base {
  readonly valid?: Metadata
  readonly invalid?: Metadata
  /** True if signing tags that it already has should make a new version: see below. */
  readonly old?: boolean
}

/**
 * Returns the document to continue from: the current one, if clients believe it. If its owner has removed the keys that
 * signed it, signing its tags again would revive them. Tags that this signer itself signed are kept.
 *
 * The document is old if half of its life is over, if clients no longer believe it, or if this signer signed it and has
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
  // Stored targets are always signed by keys that the current root names.
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
