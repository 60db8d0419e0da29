import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { LimitedMap } from '../memory/limited-map.ts'
import { KEY_BYTES, keptOutside } from '../memory/outside-heap.ts'
import { fixedSignature } from '../tuf/asn1/signature-form.ts'
import { p256SpkiIn, spkiOf } from '../tuf/asn1/spki.ts'
import type { Gun } from '../tuf/gun.ts'
import { keyId } from '../tuf/keys/key.ts'
import { keepMadeKey } from '../tuf/keys/signature.ts'
import type { Role } from '../tuf/role.ts'
import { pkcs8Of, privateKeyOf } from './ed25519.ts'
import type { Keyring } from './keyring.ts'
import { isReference } from './pkcs11/reference.ts'
import {
  algorithmFor,
  keyText,
  type KeyAlgorithm,
  type KeyName,
  type NewKey,
  type RawSignature,
  type Signer,
  type SignerReadiness,
} from './signer.ts'

const P256_COORDINATE_BYTES = 32
/** Unsealed keys kept in memory, as KeyObjects, so that a busy repository's key is not unsealed for each signature. */
const OPENED_KEYS_MAX = 1_000

interface Opened {
  readonly name: KeyName
  readonly sealed: Uint8Array
  readonly key: KeyObject
}

/** Signs with private keys sealed by the keyring. The store keeps the sealed form and passes it in for each signature. */
export class FileSigner implements Signer {
  readonly #algorithm: KeyAlgorithm
  readonly #keyring: Keyring
  readonly #opened = new LimitedMap<string, Opened>(OPENED_KEYS_MAX)

  constructor(keyring: Keyring, algorithm: KeyAlgorithm) {
    this.#keyring = keyring
    this.#algorithm = algorithm
  }

  makes(_gun: Gun, role: Role, { keytype, sealed }: Pick<NewKey, 'keytype' | 'sealed'>): boolean {
    return keytype === algorithmFor(this.#algorithm, role) && !isReference(sealed)
  }

  readiness(): SignerReadiness {
    return { usable: true }
  }

  async create(gun: Gun, role: Role): Promise<NewKey> {
    const algorithm = algorithmFor(this.#algorithm, role)
    const { privateKey } =
      algorithm === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return this.#sealed(gun, role, keptOutside(privateKey, KEY_BYTES), algorithm)
  }

  /**
   * Seals a key that was made elsewhere, such as by a Go signer.
   *
   * @param pkcs8 DER; zeroed here
   * @throws TrustError SIGNING_FAILED if it is neither an ed25519 nor a P-256 key
   */
  importKey(gun: Gun, role: Role, pkcs8: Buffer): NewKey {
    try {
      const key = privateKeyOf(pkcs8)
      return this.#sealed(gun, role, key, algorithmOf(key))
    } catch (cause) {
      throw new TrustError('SIGNING_FAILED', 'only ed25519 and P-256 keys can be imported', { cause })
    }
  }

  /** Says that a key was not sealed under this name, or is changed; undefined: it opens. */
  fault(name: KeyName, sealed: Uint8Array): string | undefined {
    return this.#keyring.unseal(about(name), sealed)?.fill(0) === undefined ? 'it does not open' : undefined
  }

  async sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature> {
    const key = this.#open(name, sealed)
    if (key.asymmetricKeyType === 'ed25519') return { method: 'eddsa', sig: sign(null, message, key) }
    // Node can convert the DER itself, but that takes as long as signing.
    return { method: 'ecdsa', sig: fixedSignature(sign('sha256', message, key), P256_COORDINATE_BYTES) }
  }

  #sealed(gun: Gun, role: Role, key: KeyObject, keytype: KeyAlgorithm): NewKey {
    const publicKey = createPublicKey(key)
    const pkcs8 = pkcs8Of(key)
    const spki = (keytype === 'ecdsa' ? p256SpkiIn(pkcs8) : undefined) ?? spkiOf(publicKey)
    const text = (keytype === 'ed25519' ? spki.subarray(-32) : spki).toString('base64')
    const id = keyId({ keytype, public: text })
    const name = { gun, role, keyId: id }
    const sealed = this.#keyring.seal(about(name), pkcs8)
    pkcs8.fill(0)
    this.#keep(name, sealed, key)
    keepMadeKey({ keytype, public: text }, publicKey, spki)
    return { keyId: id, keytype, public: text, sealed }
  }

  /** Unseals a key, or takes it from the cache if name and sealed form match: a swapped blob never gets another's key. */
  #open(name: KeyName, sealed: Uint8Array): KeyObject {
    const { gun, role } = name
    const known = this.#opened.get(name.keyId)
    const same = known?.name.gun === gun && known.name.role === role && Buffer.compare(known.sealed, sealed) === 0
    if (known !== undefined && same) return known.key
    const pkcs8 = this.#keyring.unseal(about(name), sealed)
    if (pkcs8 === undefined) {
      throw new TrustError('SIGNING_FAILED', `${keyText(name)} does not open`)
    }
    const key = privateKeyOf(pkcs8)
    this.#keep(name, sealed, key)
    return key
  }

  #keep({ gun, role, keyId: id }: KeyName, sealed: Uint8Array, key: KeyObject): void {
    this.#opened.set(id, { name: { gun, role, keyId: id }, sealed: Uint8Array.from(sealed), key })
  }
}

function about({ gun, role, keyId: id }: KeyName): string[] {
  return ['countersign role key', '1', gun, role, id]
}

function algorithmOf(key: KeyObject): KeyAlgorithm {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519'
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ecdsa'
  throw new TypeError('neither an ed25519 nor a P-256 key')
}
