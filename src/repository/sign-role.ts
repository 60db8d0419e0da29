import { TrustError } from '../errors.ts'
import type { StoredKey } from '../store/store.ts'
import { canonicalBytes } from '../tuf/canonical.ts'
import { encodeMetadata } from '../tuf/encode.ts'
import type { Gun } from '../tuf/gun.ts'
import type { JsonObject } from '../tuf/json.ts'
import { parseMetadata, type Metadata } from '../tuf/metadata.ts'
import type { ServerRole } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import type { Readable, Trust } from './trust.ts'

/** A document that the server made, and the keys that stopped being pending by signing it. */
export interface Signed {
  readonly metadata: Metadata
  readonly keys: readonly StoredKey[]
}

/** The keys of a role that root names and that the server made. */
export function heldKeys(trust: Readable, gun: Gun, root: Root, role: ServerRole): StoredKey[] {
  return trust.store.keys(gun, role).filter((key) => root.roles[role].keys.has(key.keyId))
}

/**
 * Sign a payload with every key of the role that root names and that is here (wire spec §6.6, §6.7).
 *
 * @throws TrustError SIGNING_FAILED if fewer keys are here than the role's threshold, or one does not open
 */
export async function signRole(
  trust: Trust,
  gun: Gun,
  root: Root,
  role: ServerRole,
  payload: JsonObject,
): Promise<Signed> {
  const held = heldKeys(trust, gun, root, role)
  if (held.length < root.roles[role].threshold) {
    throw new TrustError('SIGNING_FAILED', `the server holds ${held.length} of the ${role} keys of ${gun}, too few`)
  }
  const message = canonicalBytes(payload)
  const signatures = await Promise.all(
    held.map(async (key) => {
      const { method, sig } = await trust.signer.sign({ gun, role, keyId: key.keyId }, key.sealed, message)
      return { keyid: key.keyId, method, sig: Buffer.from(sig).toString('base64') }
    }),
  )
  return {
    metadata: parseMetadata(role, encodeMetadata(payload, signatures)),
    keys: held.filter((key) => key.pending).map((key) => ({ ...key, pending: false })),
  }
}
