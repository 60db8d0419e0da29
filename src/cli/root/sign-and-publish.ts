import { publishRoot, showStagedRoot, signRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import type { StagedRootDescription } from '../../repository/roots/staged.ts'
import type { EncodedSignature } from '../../tuf/encode.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import type { Connection } from '../connection/connection.ts'
import { note } from '../terminal/print.ts'
import type { RootKeyring } from './keyring.ts'
import { isSignatureNeeded, mustIncludeSigner, signaturesBy, signersOf } from './signatures.ts'

/** The outcome of signing. */
export interface SignedRoot {
  /** The staged root with the new signatures. */
  readonly staged: StagedRootDescription
  /** Its version if it was published; undefined: it lacks signatures. */
  readonly version: number | undefined
}

interface SignOptions {
  /** Names of the root keys to sign with; undefined: all that are needed. */
  readonly names?: readonly string[] | undefined
  readonly dryRun?: boolean
  /** Is told the name of each key that has signed. */
  readonly onSigned?: (name: string) => void
}

/**
 * Signs a repository's staged root with every sealed root key that is still needed, and publishes it if that is enough.
 *
 * @param names sign with these only, since each person knows one passphrase; undefined: all that are needed
 * @param dryRun changes nothing, and returns what would be
 */
export async function signAndPublish(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  names?: readonly string[],
  dryRun = false,
): Promise<SignedRoot> {
  const signers: string[] = []
  const onSigned = (name: string): unknown => signers.push(name)
  try {
    const staged = await connection.call(showStagedRoot, { gun })
    return await signStaged(connection, keyring, staged, { names, dryRun, onSigned })
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
 * Signs a staged root as it was just read, and not another one that an admin staged in its place meanwhile. Publishes it
 * if that is enough.
 */
export async function signStaged(
  connection: Connection,
  keyring: RootKeyring,
  read: StagedRootDescription,
  { names, dryRun = false, onSigned }: SignOptions = {},
): Promise<SignedRoot> {
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
    onSigned?.(record.name)
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
