import { TrustError } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Role } from '../../tuf/role.ts'
import type { TokenSigner } from '../routed-signer.ts'
import { isTypable, readSecretFile, secretIn } from '../secret-file.ts'
import {
  algorithmFor,
  type KeyAlgorithm,
  type KeyName,
  type Look,
  type NewKey,
  type RawSignature,
  type SignerReadiness,
} from '../signer.ts'
import { Pkcs11Process } from './process.ts'
import { isReference } from './reference.ts'
import type { TokenSettings } from './token.ts'

/** Where the token is, and which keys to make there. */
export interface Pkcs11Settings extends Omit<TokenSettings, 'pin'> {
  readonly pinFile: string
  readonly keyAlgorithm: KeyAlgorithm
  /** Without an answer for this long, the token counts as gone. */
  readonly answerSeconds: number
}

/** Milliseconds between two probes. */
const PROBE_INTERVAL = 2_000

/**
 * Signs with keys in a PKCS#11 token, which they never leave. A separate process talks to the token, so that reads go on
 * while it is slow or gone.
 */
export class Pkcs11Signer implements TokenSigner {
  readonly #algorithm: KeyAlgorithm
  readonly #process: Pkcs11Process
  #probes: NodeJS.Timeout | undefined
  /** Ends with the last call of `fault`. */
  #looking: Promise<unknown> = Promise.resolve()

  constructor({ pinFile, keyAlgorithm, answerSeconds, library, tokenLabel, slot }: Pkcs11Settings) {
    this.#algorithm = keyAlgorithm
    this.#process = new Pkcs11Process(async () => {
      const content = await readSecretFile(pinFile, 'the setting signers.pkcs11.pinFile')
      // Do not try it: it would be wrong, and tokens lock themselves after a few wrong PINs.
      if (!isTypable(content)) {
        throw new TrustError('BAD_KEYS', `the PIN in ${pinFile} is not UTF-8, or has a byte order mark`)
      }
      return { library, tokenLabel, slot, pin: secretIn(content) }
    }, answerSeconds)
  }

  /**
   * Connects to the token and starts probing it. A token that is away is no error here: the probes go on.
   *
   * @throws TrustError BAD_SETTINGS, BAD_KEYS for faults that do not go away by themselves
   */
  async start(): Promise<void> {
    this.#probes ??= setInterval(() => {
      if (this.#process.idle) this.#process.ask('probe').catch(() => undefined)
    }, PROBE_INTERVAL).unref()
    try {
      await this.#process.ask('probe')
    } catch (error) {
      if (!(error instanceof TrustError && error.code === 'SIGNER_UNAVAILABLE')) throw error
    }
  }

  readiness(): SignerReadiness {
    return this.#process.readiness
  }

  makes(_gun: Gun, role: Role, { keytype, sealed }: Pick<NewKey, 'keytype' | 'sealed'>): boolean {
    return keytype === algorithmFor(this.#algorithm, role) && isReference(sealed)
  }

  /** @throws TrustError SIGNER_UNAVAILABLE, SIGNING_FAILED */
  async create(gun: Gun, role: Role): Promise<NewKey> {
    return this.#process.ask('create', gun, role, algorithmFor(this.#algorithm, role))
  }

  /** @throws TrustError SIGNER_UNAVAILABLE, SIGNING_FAILED */
  async sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature> {
    return this.#process.ask('sign', name, sealed, message)
  }

  /** As `KeyFault`. One after the other: to find a key may take long, and what is to be signed waits for one at most. */
  fault(name: KeyName, sealed: Uint8Array, look: Look): Promise<string | undefined> {
    const ask = (): Promise<string | undefined> => this.#process.ask('fault', name, sealed, look)
    const found = this.#looking.then(ask)
    this.#looking = found.catch(() => undefined)
    return found
  }

  async close(): Promise<void> {
    clearInterval(this.#probes)
    await this.#process.close()
  }
}
