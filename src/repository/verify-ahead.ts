import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import { verifyAhead } from '../tuf/keys/signature.ts'
import type { RoleKeys } from '../tuf/keys/threshold.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { isDelegation, parentOf } from '../tuf/role.ts'
import { storedRoot } from '../tuf/root.ts'
import { parseTargets } from '../tuf/targets.ts'
import type { Trust } from './trust.ts'

/** Signatures verified ahead per document: few have more, and others, such as the database, need the thread pool too. */
const AHEAD_MAX = 4

/**
 * Verifies the signatures of an upload in the thread pool, so that other publishes can proceed meanwhile.
 *
 * This decides nothing: the later checks choose the keys themselves, and only find the result ready if this function has
 * guessed the same key. So the guess may use documents that are no longer current. Roots are left out.
 */
export async function verifyUploadsAhead({ decoded }: Trust, gun: Gun, uploads: readonly Metadata[]): Promise<void> {
  try {
    await Promise.all(uploads.map((upload) => verifyUpload(upload, likelyKeys(decoded, gun, upload))))
  } catch (error) {
    // The later checks report what is wrong with a document, in their order.
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
