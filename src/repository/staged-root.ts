import { damageIn, TrustError } from '../errors.ts'
import type { Actor, Head, StoredKey, StoredRecord } from '../store/store.ts'
import { encodeMetadata, type EncodedSignature } from '../tuf/encode.ts'
import { parseGun, typed, type Gun } from '../tuf/gun.ts'
import type { JsonObject } from '../tuf/json.ts'
import { canonicalKeyId } from '../tuf/key.ts'
import { parseMetadata } from '../tuf/metadata.ts'
import { parseRoot, rootKeys, type Root } from '../tuf/root.ts'
import { verifySignature } from '../tuf/signature.ts'
import type { RoleKeys } from '../tuf/threshold.ts'
import { change, type Draft } from './change.ts'
import { currentRoot } from './current.ts'
import type { Readable, Trust } from './trust.ts'

/** A root that waits for signatures: the server can make it, and only holders of root keys can sign it. */
interface StagedRoot {
  readonly payload: JsonObject
  readonly signatures: readonly EncodedSignature[]
  /** What it is for, a few words. */
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
    /** As root names it. */
    readonly id: string
    /** As people and key files name it. */
    readonly keyId: string
    readonly signed: boolean
  }[]
}

/** A staged root as it is shown, and as it is signed away from the server. */
export interface StagedRootDescription extends StagedRoot {
  readonly gun: string
  readonly version: number
  /** Keys of the root in force, which have to agree; missing for a first root. */
  readonly former?: SigningNeed | undefined
  /** Keys that the staged root itself names. */
  readonly own: SigningNeed
  /** Enough signatures: it can be published. */
  readonly complete: boolean
}

/** The staged root of a repository, if there is one. @throws TrustError CORRUPT with what to do */
export function stagedRoot(trust: Readable, gun: Gun): StagedRoot | undefined {
  try {
    return trust.store.record('staged-root', gun) as StagedRoot | undefined
  } catch (cause) {
    const { code, message } = damageIn(cause)
    const discard = `"countersign root discard ${typed(gun)}"`
    throw new TrustError(code, message, {
      hint: `"countersign repair DIRECTORY" may have it, of a stopped server; or ${discard}`,
      cause,
    })
  }
}

/** True also for one that cannot be read: it must be possible to be rid of it. */
function isStaged(trust: Readable, gun: Gun): boolean {
  try {
    return stagedRoot(trust, gun) !== undefined
  } catch (error) {
    damageIn(error)
    return true
  }
}

/** Repositories of which a root waits for signatures, in byte order of their names. */
export async function* stagedRoots({ store }: Readable): AsyncGenerator<Gun> {
  for await (const { name } of store.records('staged-root')) yield parseGun(name)
}

/** @param now milliseconds since 1970 @throws TrustError NOT_FOUND */
export function describeStagedRoot(trust: Readable, gun: Gun, now: number): StagedRootDescription {
  const staged = stagedRoot(trust, gun) ?? notStaged(gun)
  return describe(trust, gun, staged, now)
}

function describe(trust: Readable, gun: Gun, staged: StagedRoot, now: number): StagedRootDescription {
  const root = rootOf(staged)
  const previous = currentRoot(trust, gun, trust.store.head(gun))
  const former = previous && need(rootKeys(previous, gun, undefined), staged)
  const own = need(rootKeys(root, gun, now), staged)
  const complete = [former, own].every((each) => each === undefined || isMet(each))
  return { gun, version: root.metadata.version, ...staged, former, own, complete }
}

function need({ keys, threshold }: RoleKeys, { signatures }: StagedRoot): SigningNeed {
  const signers = new Set(signatures.map(({ keyid }) => keyid))
  const list = [...keys].map(([id, key]) => ({ id, keyId: canonicalKeyId(key), signed: signers.has(id) }))
  return { threshold, keys: list }
}

function isMet({ threshold, keys }: SigningNeed): boolean {
  return new Set(keys.filter(({ signed }) => signed).map(({ keyId }) => keyId)).size >= threshold
}

/** The document as it stands, with the signatures that it has. */
export function rootOf({ payload, signatures }: Pick<StagedRoot, 'payload' | 'signatures'>): Root {
  return parseRoot(parseMetadata('root', encodeMetadata(payload, signatures)))
}

/**
 * Put a root aside until it is signed.
 *
 * @param prepare makes its payload, and what must be committed with it
 * @throws TrustError WRONG_STATE if another one waits already; INVALID_PARAMETERS if no client could accept it; and
 *   what `prepare` throws
 */
export async function stageRoot(
  trust: Trust,
  gun: Gun,
  actor: Actor,
  reason: string,
  prepare: (head: Head | undefined, now: number) => Promise<{ payload: JsonObject; keys: readonly StoredKey[] }>,
): Promise<StagedRootDescription> {
  let made: StagedRootDescription | undefined
  await change(trust, gun, async (head, now) => {
    const waiting = stagedRoot(trust, gun)
    if (waiting !== undefined) {
      throw new TrustError('WRONG_STATE', `a root of ${gun} waits for signatures already: ${waiting.reason}`, {
        hint: `"countersign root sign ${typed(gun)}" or "countersign root discard ${typed(gun)}" first`,
      })
    }
    const { payload, keys } = await prepare(head, now)
    const staged = { payload, signatures: [], reason, by: actor.name, at: new Date(now).toISOString() }
    made = describe(trust, gun, staged, now)
    if (new Set(made.own.keys.map(({ keyId }) => keyId)).size < made.own.threshold) {
      throw new TrustError('INVALID_PARAMETERS', `clients would refuse this root of ${gun}`, {
        hint: `its root certificates must be valid now, and name ${gun} or a prefix of it and *`,
      })
    }
    return { ...draft(actor, gun, staged, 'staged'), kind: keys.length > 0 ? 'key' : 'record', keys }
  })
  return made ?? notStaged(gun)
}

/**
 * Add signatures to the staged root.
 *
 * @throws TrustError NOT_FOUND; INVALID_PARAMETERS for one that no root key made over exactly this root
 */
export async function signStagedRoot(
  trust: Trust,
  gun: Gun,
  signatures: readonly EncodedSignature[],
  actor: Actor,
): Promise<StagedRootDescription> {
  let made: StagedRootDescription | undefined
  await change(trust, gun, async (head, now) => {
    const staged = stagedRoot(trust, gun) ?? notStaged(gun)
    const previous = currentRoot(trust, gun, head)
    const root = rootOf(staged)
    const keys = new Map([
      ...(previous === undefined ? [] : rootKeys(previous, gun, undefined).keys),
      ...rootKeys(root, gun, now).keys,
    ])
    for (const { keyid, method, sig } of signatures) {
      const key = keys.get(keyid)
      const valid = key && verifySignature(key, method, Buffer.from(sig, 'base64'), root.metadata.message())
      if (valid !== true) {
        throw new TrustError(
          'INVALID_PARAMETERS',
          `not a signature of the staged root of ${gun} by a root key: ${keyid}`,
          { hint: `was it made over another root? "countersign root show ${typed(gun)} --out FILE" writes this one` },
        )
      }
    }
    const all = new Map([...staged.signatures, ...signatures].map((signature) => [signature.keyid, signature]))
    const signed = { ...staged, signatures: [...all.values()] }
    made = describe(trust, gun, signed, now)
    return draft(actor, gun, signed, 'signed')
  })
  return made ?? notStaged(gun)
}

/** Forget the staged root; keys made for it stay, for owners who ask for the next one. @throws TrustError NOT_FOUND */
export async function discardStagedRoot(trust: Trust, gun: Gun, actor: Actor): Promise<void> {
  await change(trust, gun, async () => {
    if (!isStaged(trust, gun)) notStaged(gun)
    return draft(actor, gun, null, 'discarded')
  })
}

/**
 * For the commit after which the staged root, if there is one, would be of no use: its version is taken.
 *
 * @param action by itself, by another root, or together with the repository
 */
export function withoutStagedRoot(
  trust: Readable,
  gun: Gun,
  action: 'published' | 'superseded' | 'discarded',
): StoredRecord[] {
  return isStaged(trust, gun) ? [{ kind: 'staged-root', name: gun, value: null, action }] : []
}

function draft(actor: Actor, gun: Gun, value: StagedRoot | null, action: 'staged' | 'signed' | 'discarded'): Draft {
  return { kind: 'record', actor, records: [{ kind: 'staged-root', name: gun, value, action }] }
}

function notStaged(gun: Gun): never {
  throw new TrustError('NOT_FOUND', `no root of ${gun} waits for signatures`, {
    hint: 'a rotation, or "countersign repo create", stages one',
  })
}
