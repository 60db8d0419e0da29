import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { TrustError } from '../errors.ts'
import { privateKeyOf } from './ed25519.ts'
import type { Keyring } from './keyring.ts'
import { readSecretFile, writeFileAtomically } from './secret-file.ts'

/** The key that signs tokens of the built-in token endpoint; Ed25519. */
export interface TokenKey {
  /** Not to be exported; other threads of this process may get it. */
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  sign(bytes: Uint8Array): Uint8Array
}

export function tokenKeyOf(privateKey: KeyObject): TokenKey {
  return { privateKey, publicKey: createPublicKey(privateKey), sign: (bytes) => sign(null, bytes, privateKey) }
}

const ABOUT = ['countersign token key', '1']

/**
 * Open the key in this file, sealed by the keyring; made if there is none. Without it tokens that were handed out are
 * refused, and clients ask for new ones: nothing else is lost.
 *
 * @throws TrustError BAD_KEYS
 */
export async function openTokenKey(path: string, keyring: Keyring): Promise<TokenKey> {
  const pkcs8 = existsSync(path) ? keyring.unseal(ABOUT, await readSecretFile(path)) : await makeKey(path, keyring)
  if (pkcs8 === undefined) {
    throw new TrustError('BAD_KEYS', `${path} does not open`, {
      hint: 'remove it: a new one is made at the next start',
    })
  }
  return tokenKeyOf(privateKeyOf(pkcs8))
}

async function makeKey(path: string, keyring: Keyring): Promise<Buffer> {
  const pkcs8 = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' })
  await writeFileAtomically(path, keyring.seal(ABOUT, pkcs8), 0o600)
  return pkcs8
}
