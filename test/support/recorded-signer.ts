import { sign, type KeyObject } from 'node:crypto'
import type { KeyAlgorithm, KeyName, NewKey, RawSignature, Signer, SignerReadiness } from '../../src/signing/signer.ts'
import type { Gun } from '../../src/tuf/gun.ts'
import { keyId } from '../../src/tuf/keys/key.ts'
import type { Role } from '../../src/tuf/role.ts'

/** Bytes of ed25519 and P-256 signatures. */
const SIGNATURE_BYTES = 64

/**
 * Holds exactly the keys of the recorded server. If a recording has no private keys, signatures are 64 zeros:
 * everything else that the server makes can still be compared.
 */
export class RecordedSigner implements Signer {
  readonly #algorithm: KeyAlgorithm
  readonly #privateKeys: ReadonlyMap<string, KeyObject>
  /** The public key, base64, for the next `create` to return: the one in the recorded response. */
  next: string | undefined

  /** @param privateKeys by key id */
  constructor(algorithm: KeyAlgorithm, privateKeys: ReadonlyMap<string, KeyObject> = new Map()) {
    this.#algorithm = algorithm
    this.#privateKeys = privateKeys
  }

  algorithm(): KeyAlgorithm {
    return this.#algorithm
  }

  makes(_gun: Gun, _role: Role, { keytype }: Pick<NewKey, 'keytype'>): boolean {
    return keytype === this.#algorithm
  }

  readiness(): SignerReadiness {
    return { usable: true }
  }

  async create(gun: Gun, role: Role): Promise<NewKey> {
    const text = this.next
    if (text === undefined) throw new Error(`the recorded server made no ${role} key of ${gun} here`)
    this.next = undefined
    return recordedKey(this.#algorithm, text)
  }

  async sign({ keyId: id }: KeyName, _sealed: Uint8Array, message: Uint8Array): Promise<RawSignature> {
    const method = this.#algorithm === 'ed25519' ? 'eddsa' : 'ecdsa'
    const key = this.#privateKeys.get(id)
    if (key === undefined) return { method, sig: Buffer.alloc(SIGNATURE_BYTES) }
    return { method, sig: sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }) }
  }
}

/** Returns a key of the recorded server in the store's form. */
export function recordedKey(keytype: KeyAlgorithm, text: string): NewKey {
  return { keyId: keyId({ keytype, public: text }), keytype, public: text, sealed: new Uint8Array() }
}
