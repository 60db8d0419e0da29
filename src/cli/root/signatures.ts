import type { KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import type { RootKey } from '../../admin/root-keys.ts'
import { discardRoot, publishRoot, showStagedRoot, signRoot, stageNextRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import { rootKeyId, rootPublicKey, signAsRoot } from '../../signing/root-key.ts'
import type { EncodedSignature } from '../../tuf/encode.ts'
import { typed } from '../../tuf/gun.ts'
import { canonicalBytes } from '../../tuf/json/canonical.ts'
import type { Connection } from '../connection/connection.ts'
import { note } from '../terminal/print.ts'
import { named, type RootKeyring } from './keyring.ts'

type RootChange = z.input<typeof stageNextRoot.input>['change']

/** Signatures of a root key over a staged root: one for each certificate of it that the former or the new root names. */
export function signaturesBy(key: KeyObject, { payload, former, own }: StagedRootDescription): EncodedSignature[] {
  const keyId = rootKeyId(rootPublicKey(key))
  const named = [...(former?.keys ?? []), ...own.keys].filter((each) => each.keyId === keyId)
  const message = canonicalBytes(payload)
  return [...new Set(named.map(({ id }) => id))].map((keyid) => {
    return { keyid, method: 'ecdsa', sig: signAsRoot(key, message) }
  })
}

/**
 * Sign the staged root of a repository with every root key that is stored, sealed, and still needed; publish it if that
 * is enough.
 *
 * @param names sign with these only: each person has one passphrase; undefined: all that are needed
 * @param dryRun change nothing; what is returned is what would be
 * @returns the staged root as it is then, and the new version if it was published
 */
export async function signAndPublish(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  names?: readonly string[],
  dryRun = false,
): Promise<{ staged: StagedRootDescription; version: number | undefined }> {
  const signers: string[] = []
  try {
    return await signThis(connection, keyring, await connection.call(showStagedRoot, { gun }), names, dryRun, signers)
  } catch (error) {
    // What was signed before that stays with the root that waits.
    if (!dryRun && signers.length > 0)
      note(`signed the root of ${gun} with ${signers.join(' and ')}; ${stillWaits(gun)}`)
    throw error
  }
}

/** Where it cannot be said how it went on. */
export function stillWaits(gun: string): string {
  return `"countersign root show ${typed(gun)}" says whether it still waits`
}

/**
 * The same, of a staged root as it was just read: one that another admin stages in its place is not signed.
 *
 * @param signers gets the names of the keys that have signed it
 */
async function signThis(
  connection: Connection,
  keyring: RootKeyring,
  read: StagedRootDescription,
  names?: readonly string[],
  dryRun = false,
  signers: string[] = [],
): ReturnType<typeof signAndPublish> {
  const { gun } = read
  let staged = read
  const chosen = await signersOf(keyring, names)
  if (names !== undefined) mustBeNamed(staged, chosen)
  const signatures: EncodedSignature[] = []
  for (const record of chosen) {
    if (staged.complete || !isWanted(staged, record.keyId)) continue
    const { key } = await keyring.open(record.name)
    // All of them each time: a rehearsal does not remember those before.
    signatures.push(...signaturesBy(key, staged))
    staged = await connection
      .call(signRoot, { gun, signatures }, dryRun)
      .catch((error: unknown) => waitsNoMore(gun, error))
    signers.push(record.name)
  }
  if (!staged.complete) return { staged, version: undefined }
  if (dryRun) return { staged, version: staged.version }
  const { version } = await connection.call(publishRoot, { gun }).catch((error: unknown) => waitsNoMore(gun, error))
  return { staged, version }
}

/** It did wait: where another admin has signed it too, it was published, and nothing is left to do. @throws TrustError */
function waitsNoMore(gun: string, error: unknown): never {
  if (!(error instanceof TrustError) || error.code !== 'NOT_FOUND') throw error
  const text = `the root of ${gun} waits no more: another command published or discarded it`
  throw new TrustError('WRONG_STATE', text, {
    hint: `"countersign audit --gun ${typed(gun)}" says which`,
    cause: error,
  })
}

/**
 * Stage a root.
 *
 * @param version that it must have: what it is made of was read before passphrases were typed, and another admin may have
 *   taken a root key away since; undefined: any
 * @throws TrustError WRONG_STATE if it has another one; nothing is left of it then
 */
export async function stageAs(
  connection: Connection,
  gun: string,
  change: RootChange,
  version: number | undefined,
  dryRun = false,
): Promise<StagedRootDescription> {
  const staged = await connection.call(stageNextRoot, { gun, change }, dryRun)
  if (version === undefined || staged.version === version) return staged
  if (!dryRun) await discardThis(connection, staged).catch(() => undefined)
  throw new TrustError('WRONG_STATE', `another root of ${gun} was published meanwhile`, {
    hint: `look at what it names ("countersign repo show ${typed(gun)}"), then type it again`,
  })
}

/**
 * Stage a root, sign it and publish it, or leave nothing behind: a wrong passphrase must not stand in the way of the
 * next try, so passphrases are asked for first. What only lacks signatures of others waits for them. Where it cannot be known
 * whether something is left, the hint of what is thrown says how to go on.
 *
 * @param version as for `stageAs`
 */
export async function stageAndPublish(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  change: RootChange,
  version?: number,
): Promise<Awaited<ReturnType<typeof signAndPublish>>> {
  const rehearsed = await stageAs(connection, gun, change, version, true)
  const opened = new Set<string>()
  for (const { name, keyId } of await signersOf(keyring)) {
    if (!isWanted(rehearsed, keyId, opened)) continue
    await keyring.open(name)
    opened.add(keyId)
  }
  const staged = await stageAs(connection, gun, change, version).catch((error: unknown) => {
    // It may have arrived all the same.
    throw isUnavailable(error) ? mayWait(gun, error) : error
  })
  try {
    return await signThis(connection, keyring, staged)
  } catch (error) {
    await discardThis(connection, staged).catch((reason: unknown) => {
      if (isUnavailable(reason)) throw mayWait(gun, error)
    })
    throw error
  }
}

function isUnavailable(error: unknown): error is TrustError {
  return error instanceof TrustError && error.code === 'STORE_UNAVAILABLE'
}

/** Typed again, the command would be refused if a root of its own waits. */
function mayWait(gun: string, error: unknown): unknown {
  if (!(error instanceof TrustError)) return error
  const { code, message, cause } = error
  const name = typed(gun)
  const hint = `"countersign root waiting" says whether a root of ${gun} waits now: then "countersign root sign ${name}" goes on with it, "countersign root discard ${name}" takes it back`
  return new TrustError(code, message, { hint, cause })
}

/** Forget the staged root, unless what waits by now is another one. @throws TrustError */
async function discardThis(connection: Connection, { gun, payload }: StagedRootDescription): Promise<void> {
  const waiting = await connection.call(showStagedRoot, { gun })
  if (isDeepStrictEqual(waiting.payload, payload)) await connection.call(discardRoot, { gun })
}

/** The root keys with these names; all that are sealed here if none are said, those that are open already first. */
async function signersOf(keyring: RootKeyring, names?: readonly string[]): Promise<RootKey[]> {
  const records = await keyring.records()
  if (names !== undefined) return names.map((name) => named(records, name))
  const here = records.filter(({ sealed }) => sealed !== null)
  return here.toSorted((one, other) => Number(keyring.isOpen(other.name)) - Number(keyring.isOpen(one.name)))
}

/** @throws TrustError INVALID_PARAMETERS if none of these keys can sign the staged root */
function mustBeNamed({ gun, former, own }: StagedRootDescription, chosen: readonly RootKey[]): void {
  const wanted = new Set([...(former?.keys ?? []), ...own.keys].map(({ keyId }) => keyId))
  if (chosen.some(({ keyId }) => wanted.has(keyId))) return
  const names = chosen.map(({ name }) => name).join(', ')
  throw new TrustError('INVALID_PARAMETERS', `no root key of ${gun} is among those to sign with: ${names}`, {
    hint: `"countersign root show ${typed(gun)}" says which keys are wanted`,
  })
}

/**
 * True if a signature by this key would bring the former or the new root nearer to its threshold.
 *
 * @param others keys that will sign too
 */
function isWanted(
  { former, own }: StagedRootDescription,
  keyId: string,
  others: ReadonlySet<string> = new Set(),
): boolean {
  return [former, own].some((need) => {
    if (need === undefined) return false
    const signing = need.keys.filter((key) => key.signed || others.has(key.keyId))
    const signers = new Set(signing.map((key) => key.keyId))
    return signers.size < need.threshold && !signers.has(keyId) && need.keys.some((key) => key.keyId === keyId)
  })
}
