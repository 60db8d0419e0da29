import { damageIn, TrustError, unlessDamaged } from '../../errors.ts'
import type { StoredRecord } from '../../store/store.ts'
import { encodeMetadata, type EncodedSignature } from '../../tuf/encode.ts'
import { shellQuoted, type Gun } from '../../tuf/gun.ts'
import type { JsonObject } from '../../tuf/json/json.ts'
import { canonicalKeyId } from '../../tuf/keys/key.ts'
import type { RoleKeys } from '../../tuf/keys/threshold.ts'
import { parseMetadata } from '../../tuf/metadata.ts'
import { parseRoot, rootKeys, type Root } from '../../tuf/root.ts'
import { currentRoot } from '../current.ts'
import type { Readable } from '../trust.ts'

/** A root that waits for signatures: the server can make it, but only holders of root keys can sign it. */
export interface StagedRoot {
  readonly payload: JsonObject
  readonly signatures: readonly EncodedSignature[]
  /** What it is for, in a few words. */
  readonly reason: string
  /** Who staged it. */
  readonly by: string
  /** RFC 3339. */
  readonly at: string
}

/** Whose signatures a staged root needs. */
export interface SigningNeed {
  readonly threshold: number
  readonly keys: readonly {
    /** The id in root. */
    readonly id: string
    /** The id that people and key files use. */
    readonly keyId: string
    readonly signed: boolean
  }[]
}

/** A staged root as shown to people, and as exported to be signed elsewhere. */
export interface StagedRootDescription extends StagedRoot {
  readonly gun: string
  readonly version: number
  /** Keys of the root in force, which must sign too; missing for a first root. */
  readonly former?: SigningNeed | undefined
  /** Keys that the staged root itself names. */
  readonly own: SigningNeed
  /** True if it has enough signatures to be published. */
  readonly complete: boolean
}

/** Returns the staged root of a repository, if there is one. @throws TrustError CORRUPT with a hint what to do */
export function stagedRoot(trust: Readable, gun: Gun): StagedRoot | undefined {
  try {
    return trust.store.record('staged-root', gun) as StagedRoot | undefined
  } catch (cause) {
    const { code, message } = damageIn(cause)
    const discard = `"countersign root discard ${shellQuoted(gun)}"`
    throw new TrustError(code, message, {
      hint: `stop the server and try "countersign repair DIRECTORY"; or ${discard}`,
      cause,
    })
  }
}

/** True if there is a staged root, even one that cannot be read: it must be possible to discard it. */
export function isStaged(trust: Readable, gun: Gun): boolean {
  const isAbsent = unlessDamaged(() => stagedRoot(trust, gun) === undefined)
  return isAbsent !== true
}

/** Returns the command that signs the staged root. @param here true if the root keys needed can be opened here */
export function signStagedCommand(gun: Gun, here: boolean): string {
  return here
    ? `countersign root sign ${shellQuoted(gun)}`
    : `countersign root show ${shellQuoted(gun)} --out FILE, which its owner signs`
}

/** Returns what to do about the staged root before another one can be made. */
export function settleFirst(gun: Gun): string {
  return `"countersign root sign ${shellQuoted(gun)}" or "countersign root discard ${shellQuoted(gun)}" first`
}

/** Yields the repositories that have a staged root, in byte order of their names, even if its record is damaged. */
export async function* stagedRoots({ store }: Readable): AsyncGenerator<Gun> {
  for await (const { name } of store.records('staged-root')) yield name as Gun
}

/** Describes a repository's staged root. @param now milliseconds since 1970 @throws TrustError NOT_FOUND */
export function describeStagedRoot(trust: Readable, gun: Gun, now: number): StagedRootDescription {
  const staged = stagedRoot(trust, gun) ?? notStaged(gun)
  return descriptionOf(trust, gun, staged, now)
}

/** Describes this staged root. @param now milliseconds since 1970 @throws TrustError CORRUPT; INVALID_UPDATE if unsound */
export function descriptionOf(trust: Readable, gun: Gun, staged: StagedRoot, now: number): StagedRootDescription {
  const root = rootOf(staged)
  const previous = currentRoot(trust, gun, trust.store.head(gun))
  const former = previous && need(rootKeys(previous, gun, undefined))
  const own = need(rootKeys(root, gun, now))
  return withCounts({ gun, version: root.metadata.version, ...staged, former, own, complete: false })
}

function need({ keys, threshold }: RoleKeys): SigningNeed {
  return { threshold, keys: [...keys].map(([id, key]) => ({ id, keyId: canonicalKeyId(key), signed: false })) }
}

/** Says anew who has signed and whether that is enough, by the ids on the signatures, which are not verified. */
export function withCounts(staged: StagedRootDescription): StagedRootDescription {
  const signers = new Set(staged.signatures.map(({ keyid }) => keyid))
  const count = ({ threshold, keys }: SigningNeed): SigningNeed => ({
    threshold,
    keys: keys.map((key) => ({ ...key, signed: signers.has(key.id) })),
  })
  const [former, own] = [staged.former && count(staged.former), count(staged.own)]
  return { ...staged, former, own, complete: [former, own].every((each) => each === undefined || isMet(each)) }
}

function isMet({ threshold, keys }: SigningNeed): boolean {
  return new Set(keys.filter(({ signed }) => signed).map(({ keyId }) => keyId)).size >= threshold
}

/** Returns the staged root as a document with its signatures so far. */
export function rootOf({ payload, signatures }: Pick<StagedRoot, 'payload' | 'signatures'>): Root {
  return parseRoot(parseMetadata('root', encodeMetadata(payload, signatures)))
}

/** Returns the same root with further signatures; of two by one key, the later replaces the earlier. */
export function withSignatures<Staged extends StagedRoot>(
  staged: Staged,
  signatures: readonly EncodedSignature[],
): Staged {
  const all = new Map([...staged.signatures, ...signatures].map((signature) => [signature.keyid, signature]))
  return { ...staged, signatures: [...all.values()] }
}

/**
 * Returns the record that removes the staged root, if there is one, for a commit that makes it useless: it is published
 * itself, another root takes its version, or somebody discards it or deletes the repository.
 *
 * @param action which of these, for the journal
 */
export function withoutStagedRoot(
  trust: Readable,
  gun: Gun,
  action: 'published' | 'superseded' | 'discarded',
): StoredRecord[] {
  return isStaged(trust, gun) ? [{ kind: 'staged-root', name: gun, value: null, action }] : []
}

/** @throws TrustError NOT_FOUND */
export function notStaged(gun: Gun): never {
  throw new TrustError('NOT_FOUND', `no root of ${gun} waits for signatures`, {
    hint: '"countersign root waiting" lists all that wait; a rotation, or "countersign repo create", stages one',
  })
}
