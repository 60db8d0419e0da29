import type { KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import type { RootKey } from '../../admin/root-keys.ts'
import { discardRoot, publishRoot, showStagedRoot, signRoot, stageNextRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import { anyRootKeyId, signAsRoot } from '../../signing/root-key.ts'
import type { EncodedSignature } from '../../tuf/encode.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { canonicalBytes } from '../../tuf/json/canonical.ts'
import type { Connection } from '../connection/connection.ts'
import { note } from '../terminal/print.ts'
import { rootKeyNamed, type RootKeyring } from './keyring.ts'

type RootChange = z.input<typeof stageNextRoot.input>['change']

/** Signs a staged root with a root key, once for each of its certificates that the former or the new root names. */
export function signaturesBy(key: KeyObject, { payload, former, own }: StagedRootDescription): EncodedSignature[] {
  const keyId = anyRootKeyId(key)
  const named = [...(former?.keys ?? []), ...own.keys].filter((each) => each.keyId === keyId)
  const message = canonicalBytes(payload)
  return [...new Set(named.map(({ id }) => id))].map((keyid) => ({ keyid, ...signAsRoot(key, message) }))
}

/**
 * Signs a repository's staged root with every sealed root key that is still needed, and publishes it if that is enough.
 *
 * @param names sign with these only, since each person knows one passphrase; undefined: all that are needed
 * @param dryRun changes nothing, and returns what would be
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
    return await signStaged(connection, keyring, await connection.call(showStagedRoot, { gun }), names, dryRun, signers)
  } catch (error) {
    // Signatures made before the error stay with the staged root.
    if (!dryRun && signers.length > 0)
      note(`signed the root of ${gun} with ${signers.join(' and ')}; ${stagedStatusAdvice(gun)}`)
    throw error
  }
}

/** Advice for when the outcome is unknown. */
export function stagedStatusAdvice(gun: string): string {
  return `"countersign root show ${shellQuoted(gun)}" says whether it still waits`
}

/**
 * Signs a staged root as it was just read, and not another one that an admin staged in its place meanwhile.
 *
 * @param signers receives the names of the keys that have signed it
 */
async function signStaged(
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
  if (names !== undefined) mustIncludeSigner(staged, chosen)
  const signatures: EncodedSignature[] = []
  for (const record of chosen) {
    if (staged.complete || !isSignatureNeeded(staged, record.keyId)) continue
    const { key } = await keyring.open(record.name)
    // Send all signatures each time: a rehearsal forgets earlier ones.
    signatures.push(...signaturesBy(key, staged))
    staged = await connection
      .call(signRoot, { gun, signatures }, dryRun)
      .catch((error: unknown) => refuseNoLongerStaged(gun, error))
    signers.push(record.name)
  }
  if (!staged.complete) return { staged, version: undefined }
  if (dryRun) return { staged, version: staged.version }
  const { version } = await connection
    .call(publishRoot, { gun })
    .catch((error: unknown) => refuseNoLongerStaged(gun, error))
  return { staged, version }
}

/** Throws that another admin's command published or discarded the root that waited. @throws TrustError */
function refuseNoLongerStaged(gun: string, error: unknown): never {
  if (!(error instanceof TrustError) || error.code !== 'NOT_FOUND') throw error
  const text = `the root of ${gun} no longer waits: another command published or discarded it`
  throw new TrustError('WRONG_STATE', text, {
    hint: `"countersign audit --gun ${shellQuoted(gun)}" says which`,
    cause: error,
  })
}

/**
 * Stages a root.
 *
 * @param version required: the root was prepared before passphrases were typed, and another admin may have removed a
 *   root key since; undefined: any
 * @throws TrustError WRONG_STATE if it has another version; nothing is left of it then
 */
export async function stageVersion(
  connection: Connection,
  gun: string,
  change: RootChange,
  version: number | undefined,
  dryRun = false,
): Promise<StagedRootDescription> {
  const staged = await connection.call(stageNextRoot, { gun, change }, dryRun)
  if (version === undefined || staged.version === version) return staged
  if (!dryRun) await discardStaged(connection, staged).catch(() => undefined)
  throw new TrustError('WRONG_STATE', `another root of ${gun} was published in the meantime`, {
    hint: `look at what it names ("countersign repo show ${shellQuoted(gun)}"), then run the command again`,
  })
}

/**
 * Stages a root, signs it and publishes it, or leaves nothing behind: asks for passphrases first, so that a wrong one
 * does not block the next try. A root that only lacks others' signatures stays, and waits for them. If it is unknown
 * whether something is left, the error's hint says how to go on.
 *
 * @param version as for `stageVersion`
 */
export async function stageAndPublish(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  change: RootChange,
  version?: number,
): Promise<Awaited<ReturnType<typeof signAndPublish>>> {
  const rehearsed = await stageVersion(connection, gun, change, version, true)
  const opened = new Set<string>()
  for (const { name, keyId } of await signersOf(keyring)) {
    if (!isSignatureNeeded(rehearsed, keyId, opened)) continue
    await keyring.open(name)
    opened.add(keyId)
  }
  const staged = await stageVersion(connection, gun, change, version).catch((error: unknown) => {
    // The request may have arrived all the same.
    throw isUnavailable(error) ? withStagedHint(gun, error) : error
  })
  try {
    return await signStaged(connection, keyring, staged)
  } catch (error) {
    await discardStaged(connection, staged).catch((reason: unknown) => {
      if (isUnavailable(reason)) throw withStagedHint(gun, error)
    })
    throw error
  }
}

function isUnavailable(error: unknown): error is TrustError {
  return error instanceof TrustError && error.code === 'STORE_UNAVAILABLE'
}

/** Adds a hint: if a root already waits, the same command would be refused. */
function withStagedHint(gun: string, error: unknown): unknown {
  if (!(error instanceof TrustError)) return error
  const { code, message, cause } = error
  const name = shellQuoted(gun)
  const hint = `"countersign root waiting" says whether a root of ${gun} waits now: then "countersign root sign ${name}" goes on with it, "countersign root discard ${name}" takes it back`
  return new TrustError(code, message, { hint, cause })
}

/** Discards the staged root, unless another one waits by now. @throws TrustError */
async function discardStaged(connection: Connection, { gun, payload }: StagedRootDescription): Promise<void> {
  const waiting = await connection.call(showStagedRoot, { gun })
  if (isDeepStrictEqual(waiting.payload, payload)) await connection.call(discardRoot, { gun })
}

/** Returns the root keys with these names; by default all that are sealed here, open ones first. */
async function signersOf(keyring: RootKeyring, names?: readonly string[]): Promise<RootKey[]> {
  const records = await keyring.records()
  if (names !== undefined) return names.map((name) => rootKeyNamed(records, name))
  const here = records.filter(({ sealed }) => sealed !== null)
  return here.toSorted((one, other) => Number(keyring.isOpen(other.name)) - Number(keyring.isOpen(one.name)))
}

/** @throws TrustError INVALID_PARAMETERS if none of these keys can sign the staged root */
function mustIncludeSigner({ gun, former, own }: StagedRootDescription, chosen: readonly RootKey[]): void {
  const wanted = new Set([...(former?.keys ?? []), ...own.keys].map(({ keyId }) => keyId))
  if (chosen.some(({ keyId }) => wanted.has(keyId))) return
  const names = chosen.map(({ name }) => name).join(', ')
  throw new TrustError('INVALID_PARAMETERS', `no root key of ${gun} is among those to sign with: ${names}`, {
    hint: `"countersign root show ${shellQuoted(gun)}" shows which keys are needed`,
  })
}

/**
 * True if a signature by this key would help the former or the new root reach its threshold.
 *
 * @param others keys that will sign too
 */
function isSignatureNeeded(
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
