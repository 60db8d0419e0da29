import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import { verifyAhead } from '../tuf/keys/signature.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isDelegation, parentOf } from '../tuf/role.ts'
import { storedRoot } from '../tuf/root.ts'
import { parseTargets } from '../tuf/targets.ts'
import type { Trust } from './trust.ts'

/** Signatures of one document: who signs, signs once. Others wait for the thread pool too, and so does the database. */
const AHEAD_MAX = 4

/**
 * Verify the signatures of an upload in the thread pool, so that other publishes can be worked on meanwhile.
 *
 * This decides nothing. The checks that follow choose the keys themselves, and only find their answers ready where this
 * has guessed the same key. So the guess may come from documents that are not current any more, and roots are left out.
 */
export async function verifyUploadsAhead({ decoded }: Trust, gun: Gun, uploads: readonly Metadata[]): Promise<void> {
  try {
    await Promise.all(uploads.map((upload) => verifyUpload(upload, likelyKeys(decoded, gun, upload))))
  } catch (error) {
    // What is wrong with a document is told by the checks, in their order.
    if (!(error instanceof TrustError)) throw error
  }
}

async function verifyUpload(upload: Metadata, keys: RoleKeys['keys'] | undefined): Promise<void> {
  const verifying = upload.signatures.slice(0, AHEAD_MAX).map(async ({ keyid, method, sig }) => {
    const key = keys?.get(keyid)
    if (key !== undefined) await verifyAhead(key, method, sig, upload.message())
  })
  await Promise.all(verifying)
}

function likelyKeys(decoded: Trust['decoded'], gun: Gun, { role }: Metadata): RoleKeys['keys'] | undefined {
  if (isDelegation(role)) {
    const parent = decoded.last(gun, parentOf(role))
    return parent && parseTargets(parent).delegations.get(role)?.keys
  }
  const root = role === 'root' ? undefined : decoded.last(gun, 'root')
  return root && storedRoot(root).roles[role].keys
}
