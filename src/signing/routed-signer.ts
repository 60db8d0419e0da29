import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import type { FileSigner } from './file-signer.ts'
import { isReference } from './pkcs11/reference.ts'
import {
  keyText,
  type KeyFault,
  type KeyName,
  type Look,
  type NewKey,
  type RawSignature,
  type Signer,
  type SignerReadiness,
} from './signer.ts'

/** A signer whose keys are in a token: `Pkcs11Signer`, or a proxy for one in another thread. */
export interface TokenSigner extends Signer {
  readonly fault: KeyFault
  start(): Promise<void>
  close(): Promise<void>
}

/** Where private keys live: sealed in the store, or in a token. */
type Custody = 'file' | 'pkcs11'

/** Makes new keys where the rules say, and uses existing keys where they are. */
export class RoutedSigner implements Signer {
  readonly #file: FileSigner
  readonly #pkcs11: TokenSigner | undefined
  readonly #choose: (gun: Gun, role: Role) => Custody

  /** @param choose where a new key of this role goes; `pkcs11` only if there is a token */
  constructor(file: FileSigner, pkcs11: TokenSigner | undefined, choose: (gun: Gun, role: Role) => Custody) {
    this.#file = file
    this.#pkcs11 = pkcs11
    this.#choose = choose
  }

  /** Call before the first request. @throws TrustError BAD_SETTINGS, BAD_KEYS if the token can never work as configured */
  async start(): Promise<void> {
    await this.#pkcs11?.start()
  }

  async close(): Promise<void> {
    await this.#pkcs11?.close()
  }

  /** Returns a signer for `--dry-run`, with the same keys: it makes new ones in memory only. */
  rehearsing(): Signer {
    return new RoutedSigner(this.#file, this.#pkcs11, () => 'file')
  }

  readiness(): SignerReadiness {
    return this.#pkcs11?.readiness() ?? { usable: true }
  }

  makes(gun: Gun, role: Role, key: Pick<NewKey, 'keytype' | 'sealed'>): boolean {
    return this.#maker(gun, role).makes(gun, role, key)
  }

  async create(gun: Gun, role: Role): Promise<NewKey> {
    return this.#maker(gun, role).create(gun, role)
  }

  async sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature> {
    return this.#keeper(name, sealed).sign(name, sealed, message)
  }

  /** As `KeyFault`. */
  async fault(name: KeyName, sealed: Uint8Array, look: Look): Promise<string | undefined> {
    if (!isReference(sealed)) return look === 'assume' ? undefined : this.#file.fault(name, sealed)
    if (this.#pkcs11 !== undefined) return this.#pkcs11.fault(name, sealed, look)
    return 'it is in a PKCS#11 token, and the settings name none (signers.pkcs11)'
  }

  #maker(gun: Gun, role: Role): FileSigner | TokenSigner {
    return (this.#choose(gun, role) === 'pkcs11' ? this.#pkcs11 : undefined) ?? this.#file
  }

  #keeper(name: KeyName, sealed: Uint8Array): FileSigner | TokenSigner {
    if (!isReference(sealed)) return this.#file
    if (this.#pkcs11 !== undefined) return this.#pkcs11
    throw new TrustError('SIGNING_FAILED', `${keyText(name)} is in a PKCS#11 token`, {
      hint: 'set signers.pkcs11',
    })
  }
}
