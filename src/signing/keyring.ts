import { randomBytes, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { deriveKey, isDerivation, newDerivation, secretKey, type Derivation } from './key-encryption.ts'
import { seal, unseal } from './seal.ts'
import { readSecretFile, writeFileAtomically } from './secret-file.ts'

/** keyring.json: data keys, wrapped by the key-encryption key. Contains no secret in clear. */
interface KeyringFile {
  readonly format: 1
  readonly derivation: Derivation
  /** Number of the data key that new seals use. */
  readonly current: number
  /** Wrapped data keys by number, standard base64. */
  readonly dataKeys: Readonly<Record<string, string>>
}

const DATA_KEY_BYTES = 32
const RESTORE =
  'restore it from a backup made after the last "countersign key rekey": without it no key of the server opens'

/** The secret that opens a keyring, and where it comes from. */
export interface Secret {
  readonly kind: 'key-file' | 'passphrase'
  readonly bytes: Uint8Array
}

/** An opened keyring to pass to another thread of this process; its keys are handles, not bytes. */
export interface SharedKeyring {
  readonly dataKeys: ReadonlyMap<number, KeyObject>
  readonly current: number
}

/**
 * Seals and opens small secrets. Each is sealed with a numbered data key; the data keys are wrapped by a key derived
 * from a passphrase or a key file, so changing the passphrase re-wraps only a few data keys.
 */
export class Keyring {
  readonly #dataKeys: ReadonlyMap<number, KeyObject>
  readonly #current: number

  constructor({ dataKeys, current }: SharedKeyring) {
    this.#dataKeys = dataKeys
    this.#current = current
  }

  get shared(): SharedKeyring {
    return { dataKeys: this.#dataKeys, current: this.#current }
  }

  static async create(path: string, secret: Secret): Promise<void> {
    await writeKeyring(path, secret, new Map([[1, randomBytes(DATA_KEY_BYTES)]]), 1)
  }

  /** @throws TrustError BAD_KEYS if the file is damaged or the secret is wrong */
  static async open(path: string, secret: Secret): Promise<Keyring> {
    const { dataKeys, current } = await readKeyring(path, secret)
    const opened = new Map([...dataKeys].map(([number, bytes]) => [number, secretKey(bytes)]))
    return new Keyring({ dataKeys: opened, current })
  }

  /** True if the keyring is under a passphrase, false for a key file. @throws TrustError BAD_KEYS */
  static async isUnderPassphrase(path: string): Promise<boolean> {
    return (await parseKeyring(path)).derivation.name === 'argon2id'
  }

  /** Wraps the data keys under another secret. After a crash either the old or the new secret opens the keyring. */
  static async rekey(path: string, old: Secret, secret: Secret): Promise<void> {
    const { dataKeys, current } = await readKeyring(path, old)
    await writeKeyring(path, secret, dataKeys, current)
  }

  /** Seals a secret. @param about what the secret belongs to; `unseal` must be given exactly the same */
  seal(about: readonly string[], secret: Uint8Array): Buffer {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(this.#current)
    return Buffer.concat([number, seal(this.#dataKey(this.#current), [...about, this.#current], secret)])
  }

  /** @returns the secret, to be zeroed after use; undefined if this keyring did not seal it for the same `about` */
  unseal(about: readonly string[], sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < 4) return undefined
    const number = Buffer.from(sealed).readUInt32BE(0)
    const key = this.#dataKeys.get(number)
    return key === undefined ? undefined : unseal(key, [...about, number], sealed.subarray(4))
  }

  #dataKey(number: number): KeyObject {
    const key = this.#dataKeys.get(number)
    if (key === undefined) throw new TrustError('BAD_KEYS', `the keyring lacks data key ${number}`)
    return key
  }
}

async function writeKeyring(
  path: string,
  secret: Secret,
  dataKeys: ReadonlyMap<number, Buffer>,
  current: number,
): Promise<void> {
  const derivation = newDerivation(secret.kind)
  const kek = deriveKey(secret.bytes, derivation)
  const wrapped = [...dataKeys].map(([number, bytes]) => [
    number,
    seal(kek, wrapping(number), bytes).toString('base64'),
  ])
  const file: KeyringFile = { format: 1, derivation, current, dataKeys: Object.fromEntries(wrapped) }
  for (const bytes of dataKeys.values()) bytes.fill(0)
  await writeFileAtomically(path, `${JSON.stringify(file, undefined, 2)}\n`, 0o600)
}

async function readKeyring(path: string, secret: Secret): Promise<{ dataKeys: Map<number, Buffer>; current: number }> {
  const file = await parseKeyring(path)
  // The secret was read before this file, which a rekey may have replaced since.
  const kind = file.derivation.name === 'argon2id' ? 'passphrase' : 'key-file'
  if (secret.kind !== kind) throw kind === 'passphrase' ? underPassphrase(path) : underKeyFile()
  const kek = deriveKey(secret.bytes, file.derivation)
  const dataKeys = new Map<number, Buffer>()
  for (const [name, wrapped] of Object.entries(file.dataKeys)) {
    const number = Number(name)
    const bytes = unseal(kek, wrapping(number), Buffer.from(wrapped, 'base64'))
    if (bytes === undefined) {
      throw new TrustError('BAD_KEYS', `the passphrase or key file does not open ${path}`, {
        hint: `give the one that this keyring was made with (setting passphraseFile, or keys/key-encryption-key); if that is given, one of the two is damaged: ${RESTORE}`,
      })
    }
    dataKeys.set(number, bytes)
  }
  if (!dataKeys.has(file.current)) throw damaged(path)
  return { dataKeys, current: file.current }
}

async function parseKeyring(path: string): Promise<KeyringFile> {
  const text = (await readSecretFile(path, `the setting keysDirectory, or ${RESTORE}`)).toString('utf8')
  let file: Partial<KeyringFile> | null
  try {
    file = JSON.parse(text) as Partial<KeyringFile> | null
  } catch {
    throw damaged(path)
  }
  if (typeof file?.format === 'number' && file.format !== 1) {
    const text = `${path} was written by a newer version, or is damaged`
    throw new TrustError('BAD_KEYS', text, { hint: `start that version, or ${RESTORE}` })
  }
  if (!isWhole(file)) throw damaged(path)
  return file
}

function isWhole(file: Partial<KeyringFile> | null): file is KeyringFile {
  const { derivation, dataKeys } = file ?? {}
  if (file?.format !== 1 || typeof dataKeys !== 'object' || dataKeys === null) return false
  return isDerivation(derivation) && Object.values(dataKeys).every((wrapped) => typeof wrapped === 'string')
}

/** Returns the error for a keyring under a passphrase that is not given. */
export function underPassphrase(path: string): TrustError {
  return new TrustError('BAD_KEYS', `${path} is protected by a passphrase`, {
    hint: 'set passphraseFile (COUNTERSIGN_PASSPHRASE_FILE) to the file that has it',
  })
}

function underKeyFile(): TrustError {
  return new TrustError('BAD_KEYS', 'the keyring is protected by a key file, and this is not one', {
    hint: 'unset passphraseFile, or change to a passphrase: countersign key rekey --new-passphrase-file FILE',
  })
}

function damaged(path: string): TrustError {
  return new TrustError('BAD_KEYS', `${path} is damaged`, { hint: RESTORE })
}

function wrapping(number: number): [string, number] {
  return ['countersign data key', number]
}
