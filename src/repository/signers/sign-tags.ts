import { TrustError } from '../../errors.ts'
import { serverRevision } from '../../store/server-revision.ts'
import type { Actor } from '../../store/store.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import type { Metadata } from '../../tuf/metadata.ts'
import { editTargets, type TargetsEdit } from '../../tuf/targets-edit.ts'
import { targetSha256 } from '../../tuf/targets.ts'
import { changeWithResult } from '../change.ts'
import { composeSigned } from '../compose.ts'
import { recallCurrent } from '../current.ts'
import { TARGETS_LIFE } from '../renewal/targets.ts'
import { signRole, type Signed } from '../sign-role.ts'
import type { Trust } from '../trust.ts'
import { roleBefore, type RoleBefore } from './role-before.ts'
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

/** Returns a tag's current digests in hex, in the signing roles and targets, which may differ; '' without a SHA-256. */
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
 * @throws TrustError NOT_FOUND; WRONG_STATE if the server does not hold the keys needed; PRECONDITION; POLICY; what
 *   `composeSigned` throws
 */
export async function signTags(trust: Trust, gun: Gun, request: SignRequest, actor: Actor): Promise<SignResult> {
  const { set, remove, as: signer, ifMatch, permit } = request
  const { signed: made, result } = await changeWithResult(trust, gun, async (head, now) => {
    const signings = signingRoles(trust, gun, head, signer, [...set.map(({ tag }) => tag), ...remove])
    const etag = head?.roles[signings[0]?.role ?? '']?.sha256 ?? ''
    mustMatch(gun, etag, ifMatch)
    const roles = signings.map((signing) => roleBefore(trust, gun, head, signing, now))
    // A policy must also see the owner's targets, which the delegate's tags would override for clients.
    const targets = recallCurrent(trust, gun, head, 'targets')
    const seen = [...roles.map(({ base }) => base), targets]
    const mustBePermitted = (): void => permit?.((tag) => seen.flatMap((each) => digestOf(each, tag)), now)
    mustBePermitted()
    const signed: Signed[] = []
    for (const { role, named, held, base, isDue } of roles) {
      const floor = head?.highest[role] ?? 0
      const payload = editTargets(base?.signed, { set, remove }, now + TARGETS_LIFE, floor, isDue && set.length > 0)
      if (payload !== undefined) signed.push(await signRole(trust, gun, role, named, payload, held))
    }
    const outcome = { signed, result: resultOf(roles, etag, signed, remove) }
    if (signed.length === 0) return [undefined, outcome]
    const draft = await composeSigned(trust, gun, head, now, signed, actor)
    // Signing with a PKCS#11 token may have taken a while: check again, and let no change of rules or signers come between
    // that and the commit.
    const permittedAt = serverRevision((of) => trust.store.head(of))
    mustBePermitted()
    if (signer !== undefined) mustStillHold(trust, signer, signings)
    return [draft && { ...draft, permittedAt }, outcome]
  })
  for (const { metadata } of made) trust.decoded.keep(gun, metadata)
  return result
}

/** @param etag the current checksum; empty if there is none @throws TrustError PRECONDITION */
function mustMatch(gun: Gun, etag: string, wanted: SignRequest['ifMatch']): void {
  if (wanted === undefined || wanted === etag || (wanted === '*' && etag !== '')) return
  throw new TrustError('PRECONDITION', `the tags of ${gun} changed in the meantime`, { hint: 'list them again' })
}

/** @param etag the checksum that the first role had before; empty if none */
function resultOf(
  roles: readonly RoleBefore[],
  etag: string,
  signed: readonly Signed[],
  remove: readonly string[],
): SignResult {
  const documents = new Map<string, Metadata>(signed.map(({ metadata }) => [metadata.role, metadata]))
  const leftOut = new Set<string>()
  for (const { role, current, base } of roles) {
    const next = documents.get(role)
    if (base !== undefined || next === undefined) continue
    for (const tag of Object.keys(targetsOf(current))) if (!hasTag(next, tag)) leftOut.add(tag)
  }
  for (const tag of remove) leftOut.delete(tag)
  return {
    roles: roles.map(({ role }) => role),
    changed: signed.length > 0,
    etag: documents.get(roles[0]?.role ?? '')?.checksums.sha256 ?? etag,
    leftOut: [...leftOut],
    absent: remove.filter((tag) => !roles.some(({ current }) => hasTag(current, tag))),
  }
}

/** @throws TrustError NOT_FOUND if the signer was removed meanwhile; WRONG_STATE if it has given up a key that was used */
function mustStillHold(trust: Trust, signer: string, signings: readonly Signing[]): void {
  const { keyIds } = findSigner(trust, signer)
  const used = signings.flatMap(({ held }) => held.map(({ key }) => key.keyId))
  if (used.every((keyId) => keyIds.includes(keyId))) return
  throw new TrustError('WRONG_STATE', `the signer ${signer} gave up a key in the meantime`, { hint: 'try again' })
}

function targetsOf(document: Metadata | undefined): JsonObject {
  return (document?.signed['targets'] ?? {}) as JsonObject
}

function hasTag(document: Metadata | undefined, tag: string): boolean {
  return Object.hasOwn(targetsOf(document), tag)
}

function digestOf(document: Metadata | undefined, tag: string): string[] {
  return hasTag(document, tag) ? [targetSha256(targetsOf(document)[tag]!) ?? ''] : []
}
