import { isReference } from '../signing/pkcs11/reference.ts'
import type { TokenSigner } from '../signing/routed-signer.ts'
import {
  algorithmFor,
  type KeyAlgorithm,
  type KeyName,
  type Look,
  type NewKey,
  type RawSignature,
  type SignerReadiness,
} from '../signing/signer.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import type { Channel } from './channel.ts'
import type { MainAnswers } from './messages.ts'

/** The main thread's token: one session of one process speaks to it, whichever thread asks. */
export class RemoteToken implements TokenSigner {
  readonly #main: Channel<MainAnswers>
  readonly #algorithm: KeyAlgorithm

  constructor(main: Channel<MainAnswers>, algorithm: KeyAlgorithm) {
    this.#main = main
    this.#algorithm = algorithm
  }

  makes(_gun: Gun, role: Role, { keytype, sealed }: Pick<NewKey, 'keytype' | 'sealed'>): boolean {
    return keytype === algorithmFor(this.#algorithm, role) && isReference(sealed)
  }

  /** The main thread reports whether the token can be used. */
  readiness(): SignerReadiness {
    return { usable: true }
  }

  create(gun: Gun, role: Role): Promise<NewKey> {
    return this.#main.ask('createInToken', [gun, role])
  }

  sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature> {
    return this.#main.ask('signInToken', [name, Uint8Array.from(sealed), Uint8Array.from(message)])
  }

  fault(name: KeyName, sealed: Uint8Array, look: Look): Promise<string | undefined> {
    return this.#main.ask('faultInToken', [name, Uint8Array.from(sealed), look])
  }

  async start(): Promise<void> {}

  async close(): Promise<void> {}
}
