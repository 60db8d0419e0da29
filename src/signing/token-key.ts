import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { TrustError } from '../errors.ts'
import { privateKeyOf } from './ed25519.ts'
import type { Keyring } from './keyring.ts'
import { readSecretFile, writeFileAtomically } from './secret-file.ts'

/** The ed25519 key with which the built-in token endpoint signs tokens. */
export interface TokenKey {
  /** Only for this process and its threads; never exported. */
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  sign(bytes: Uint8Array): Uint8Array
}

export function tokenKeyOf(privateKey: KeyObject): TokenKey {
  return { privateKey, publicKey: createPublicKey(privateKey), sign: (bytes) => sign(null, bytes, privateKey) }
}

const ABOUT = ['countersign token key', '1']

/**
 * Opens the key in this file, sealed by the keyring; makes one if there is none. Losing it only invalidates the tokens
 * issued so far, and clients then request new ones.
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
