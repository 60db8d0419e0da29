import { hash, type KeyObject, type PublicKeyInput } from 'node:crypto'
import { parseSpki } from './spki.ts'

/** Signatures that are verified with a key's bytes before OpenSSL's object of it is made, and kept. */
const USES_AS_BYTES = 2

/** A public key whose form is sound. */
export class VerificationKey {
  readonly keytype: 'ecdsa' | 'rsa' | 'ed25519'
  /** Hex SHA-256 of its SubjectPublicKeyInfo: the same for one key pair in whatever form it comes. */
  readonly pairId: string
  /** Bytes of a signature by this key. */
  readonly signatureLength: number
  readonly #spki: Buffer
  #object: KeyObject | undefined
  #uses = 0

  /**
   * @param spki SubjectPublicKeyInfo, as `parseSpki` takes it, but for a point that may be on no curve
   * @param object where it has been read
   */
  constructor(keytype: VerificationKey['keytype'], spki: Buffer, signatureLength: number, object?: KeyObject) {
    this.keytype = keytype
    this.pairId = hash('sha256', spki, 'hex')
    this.signatureLength = signatureLength
    this.#spki = spki
    this.#object = object
  }

  /** As OpenSSL reads it; undefined if it does not. */
  get object(): KeyObject | undefined {
    this.#object ??= parseSpki(this.#spki)
    return this.#object
  }

  /**
   * As `crypto.verify` takes it, which throws if OpenSSL does not read it. Bytes at first: V8 does not know what is behind
   * an object of OpenSSL's, lets thousands wait, and destroys them all at once while everybody waits. Among thousands of
   * repositories most keys are needed once in a while, and to read one takes as long as to make an object of it.
   */
  get input(): KeyObject | PublicKeyInput {
    if (this.#object === undefined) this.#uses += 1
    const object = this.#uses > USES_AS_BYTES ? this.object : this.#object
    return object ?? { key: this.#spki, format: 'der', type: 'spki' }
  }
}
