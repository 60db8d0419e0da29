import { TrustError } from '../errors.ts'
import type { Actor, Head, StoredKey } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { parseRoot } from '../tuf/root.ts'
import { parseTargets } from '../tuf/targets.ts'
import { editTargets, type TargetsEdit } from '../tuf/targets-edit.ts'
import type { RoleKeys } from '../tuf/threshold.ts'
import { acceptUpdate } from '../tuf/update.ts'
import { change } from './change.ts'
import { compose } from './compose.ts'
import { currentOf, recallCurrent } from './current.ts'
import { decodedDocuments } from './decoded.ts'
import { TARGETS_LIFE } from './publish-root.ts'
import { heldKeys, signRole, type HeldKey, type SignedRole } from './sign-role.ts'
import { findSigner, signerKeys, signerRole } from './signers.ts'
import type { Trust } from './trust.ts'

export interface SignRequest extends TargetsEdit {
  /** The signer to sign as, in somebody else's repository; undefined: the targets role of one that the server signs. */
  readonly as?: string | undefined
  /** The checksum that the first signing role must have now; undefined: whatever it has. */
  readonly ifMatch?: string | undefined
  /** Called with what is current, right before signing: a policy refuses by throwing. */
  readonly permit?: (current: ReadonlyMap<string, string>, now: number) => void
}

export interface SignResult {
  /** The roles that sign it. */
  readonly roles: readonly string[]
  /** False: it was all so already, and nothing was published. */
  readonly changed: boolean
  /** Checksum of the first of these roles, for the next `ifMatch`. */
  readonly etag: string
}

/** A role that signs, with its keys as its parent names them, and those that the server signs with. */
interface Signing {
  readonly role: Exclude<SignedRole, 'snapshot' | 'timestamp'>
  readonly named: RoleKeys
  readonly held: readonly HeldKey[]
}

/**
 * Have the server sign tags, or sign them no more: all in one publish. As docker does it, a delegate signs in every
 * delegation that names its key and whose paths fit: `targets/NAME` and `targets/releases`.
 *
 * @throws TrustError NOT_FOUND, WRONG_STATE if the server does not hold what is needed, PRECONDITION, POLICY
 */
export async function signTags(trust: Trust, gun: Gun, request: SignRequest, actor: Actor): Promise<SignResult> {
  const { set, remove, as: signer, ifMatch, permit } = request
  let result: SignResult | undefined
  let made: readonly Metadata[] = []
  await change(trust, gun, async (head, now) => {
    const signings = signingRoles(trust, gun, head, signer, [...set.map(({ tag }) => tag), ...remove])
    const roles = signings.map(({ role }) => role)
    const current = head?.roles[roles[0] ?? '']?.sha256 ?? ''
    if (ifMatch !== undefined && ifMatch !== current) {
      throw new TrustError('PRECONDITION', `the tags of ${gun} changed in the meantime`, { hint: 'list them again' })
    }
    permit?.(digestsOf(trust, gun, head, roles), now)
    const keys: StoredKey[] = []
    const uploads: Metadata[] = []
    for (const { role, named, held } of signings) {
      const before = head && recallCurrent(trust, gun, head, role)
      const payload = editTargets(before?.signed, { set, remove }, now + TARGETS_LIFE)
      if (payload === undefined) continue
      const signed = await signRole(trust, gun, role, named, payload, held)
      uploads.push(signed.metadata)
      keys.push(...signed.keys)
    }
    made = uploads
    const first = uploads.find(({ role }) => role === roles[0])
    result = { roles, changed: uploads.length > 0, etag: first?.checksums.sha256 ?? current }
    if (uploads.length === 0) return undefined
    const accepted = acceptUpdate(gun, currentOf(trust, gun, head), uploads, now)
    if (accepted === undefined) return undefined
    const draft = await compose(trust, gun, head, now, { ...accepted, snapshot: 'make' })
    return { kind: 'publish', actor, ...draft, keys: [...draft.keys, ...keys] }
  })
  for (const metadata of made) decodedDocuments.keep(metadata)
  if (result === undefined) throw new Error('signed nothing, and said nothing')
  return result
}

function signingRoles(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  signer: string | undefined,
  names: readonly string[],
): Signing[] {
  const rootMetadata = head && recallCurrent(trust, gun, head, 'root')
  if (head === undefined || rootMetadata === undefined) {
    throw new TrustError('NOT_FOUND', `there is no repository ${gun}`, {
      hint: `"countersign repo create ${gun}" makes one that the server signs`,
    })
  }
  const { targets, snapshot } = parseRoot(rootMetadata).roles
  if (heldKeys(trust, gun, 'snapshot', snapshot).length < snapshot.threshold) {
    throw new TrustError('WRONG_STATE', `the snapshot key of ${gun} is with its publisher, not with the server`, {
      hint: `its owner can hand it over: notary key rotate ${gun} snapshot -r`,
    })
  }
  if (signer !== undefined) return delegationsOf(trust, gun, head, signer, names)
  const held = heldKeys(trust, gun, 'targets', targets)
  if (held.length >= targets.threshold) return [{ role: 'targets', named: targets, held }]
  throw new TrustError('WRONG_STATE', `the targets key of ${gun} is with its publisher, not with the server`, {
    hint: 'sign as a signer that its owner has added: --as NAME (countersign signer create NAME)',
  })
}

function delegationsOf(trust: Trust, gun: Gun, head: Head, signer: string, names: readonly string[]): Signing[] {
  const keys = signerKeys(trust, findSigner(trust, signer))
  const targets = recallCurrent(trust, gun, head, 'targets')
  const delegations = targets === undefined ? [] : [...parseTargets(targets).delegations.values()]
  const own = delegations
    .filter(({ paths }) => names.every((name) => paths.some((path) => name.startsWith(path))))
    .map((named): Signing => {
      const held = keys.filter(({ keyId }) => named.keys.has(keyId)).map((key) => ({ owner: SERVER, key }))
      return { role: named.name, named, held }
    })
    .filter(({ held, named }) => held.length > 0 && held.length >= named.threshold)
  // The signer's own role first: its checksum is what If-Match compares.
  own.sort((one, other) => Number(other.role === signerRole(signer)) - Number(one.role === signerRole(signer)))
  if (own.length > 0) return own
  throw new TrustError('WRONG_STATE', `${gun} does not let ${signer} sign this`, {
    hint: `its owner adds it: docker trust signer add --key ${signer}.pem ${signer} ${gun}`,
  })
}

/** What tags name now in these roles, hex; the first role counts. */
function digestsOf(
  trust: Trust,
  gun: Gun,
  head: Head | undefined,
  roles: readonly Signing['role'][],
): ReadonlyMap<string, string> {
  const digests = new Map<string, string>()
  for (const role of roles.toReversed()) {
    const targets = (head && recallCurrent(trust, gun, head, role))?.signed['targets'] ?? {}
    for (const [name, entry] of Object.entries(targets)) {
      const { hashes } = entry as { hashes?: { sha256?: string } }
      if (typeof hashes?.sha256 === 'string') digests.set(name, Buffer.from(hashes.sha256, 'base64').toString('hex'))
    }
  }
  return digests
}
