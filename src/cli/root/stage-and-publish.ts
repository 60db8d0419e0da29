import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import { discardRoot, showStagedRoot, stageNextRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import type { Connection } from '../connection/connection.ts'
import type { RootKeyring } from './keyring.ts'
import { signStaged, type SignedRoot } from './sign-and-publish.ts'
import { isSignatureNeeded, signersOf } from './signatures.ts'

type RootChange = z.input<typeof stageNextRoot.input>['change']

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
): Promise<SignedRoot> {
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
