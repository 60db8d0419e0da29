import type * as Pkcs11 from 'pkcs11js'
import { messageOf, TrustError } from '../../errors.ts'

/** Which token, and how to open it. */
export interface TokenSettings {
  /** Path of the vendor's PKCS#11 library. */
  readonly library: string
  /** The token is found by its label… */
  readonly tokenLabel?: string | undefined
  /** …or by the number of its slot. */
  readonly slot?: number | undefined
  readonly pin: string
}

/** A logged-in session. */
export interface Connection {
  readonly module: Pkcs11.PKCS11
  readonly session: Pkcs11.Handle
  readonly slot: Pkcs11.Handle
  /** Serial number of the token. */
  readonly serial: string
}

/** Milliseconds between two attempts to reach a token that is away. */
const RECONNECT_PAUSE = 1_000
const ONE_OF_THEM = 'remove all but one, or name the slot of the right one: signers.pkcs11.slot'
/** After one of these, nothing is tried until a restart: a token locks itself after a few wrong PINs. */
const PIN_REFUSED = ['CKR_PIN_INCORRECT', 'CKR_PIN_LOCKED', 'CKR_PIN_EXPIRED', 'CKR_PIN_INVALID', 'CKR_PIN_LEN_RANGE']

/** One token of one library: connects and logs in once, and again whenever the connection is lost. All calls block. */
export class Pkcs11Token {
  readonly #pkcs11: typeof Pkcs11
  readonly #module: Pkcs11.PKCS11
  readonly #settings: TokenSettings
  #initialised = false
  #connection: Connection | undefined
  /** Why the token could not be reached; thrown without a new attempt until then (`performance.now()`). */
  #away: { readonly error: TrustError; readonly until: number } | undefined

  /** @throws TrustError BAD_SETTINGS if the library cannot be loaded */
  constructor(pkcs11: typeof Pkcs11, settings: TokenSettings) {
    this.#pkcs11 = pkcs11
    this.#settings = settings
    this.#module = new pkcs11.PKCS11()
    try {
      this.#module.load(settings.library)
    } catch (cause) {
      throw new TrustError('BAD_SETTINGS', `cannot load the PKCS#11 library ${settings.library}: ${messageOf(cause)}`, {
        hint: 'check the setting signers.pkcs11.library',
      })
    }
  }

  /**
   * Runs work with the token. If it fails on an existing connection, connects anew and tries once more.
   *
   * @throws TrustError SIGNER_UNAVAILABLE if the token cannot be reached, BAD_KEYS if it refuses the PIN, SIGNING_FAILED
   *   if it refuses the work
   */
  use<Result>(work: (connection: Connection) => Result): Result {
    const before = this.#connection
    if (before !== undefined) {
      try {
        return work(before)
      } catch (error) {
        if (error instanceof TrustError) throw error
        this.#connection = undefined
      }
    }
    const connection = this.#connect()
    try {
      return work(connection)
    } catch (cause) {
      if (cause instanceof TrustError) throw cause
      throw new TrustError('SIGNING_FAILED', `the PKCS#11 token refused: ${messageOf(cause)}`, { cause })
    }
  }

  /** Checks that the token answers. @throws TrustError SIGNER_UNAVAILABLE */
  probe(): void {
    this.use(({ module, slot, session }) => {
      module.C_GetTokenInfo(slot)
      module.C_GetSessionInfo(session)
    })
  }

  close(): void {
    if (this.#connection === undefined) return
    try {
      this.#module.C_CloseSession(this.#connection.session)
    } catch {
      // The token is away, and so is the session.
    }
    this.#connection = undefined
  }

  #connect(): Connection {
    if (this.#away !== undefined && performance.now() < this.#away.until) throw this.#away.error
    try {
      this.#initialise()
      const { slot, serial } = this.#find()
      const { CKF_SERIAL_SESSION, CKF_RW_SESSION } = this.#pkcs11
      const session = this.#module.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
      this.#login(session)
      return (this.#connection = { module: this.#module, session, slot, serial })
    } catch (cause) {
      const refused = PIN_REFUSED.includes(messageOf(cause))
      const error = cause instanceof TrustError ? cause : refused ? pinRefused(cause) : away(cause)
      this.#away = { error, until: refused ? Infinity : performance.now() + RECONNECT_PAUSE }
      throw error
    }
  }

  /** Initialises the library, again after a lost connection: it may look for its tokens only then. */
  #initialise(): void {
    if (this.#initialised) {
      try {
        this.#module.C_Finalize()
      } catch {
        // The last attempt to initialise it failed.
      }
    }
    this.#initialised = true
    try {
      this.#module.C_Initialize({ flags: this.#pkcs11.CKF_OS_LOCKING_OK })
    } catch (error) {
      if (messageOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
    }
  }

  #find(): { slot: Pkcs11.Handle; serial: string } {
    const { tokenLabel, slot: number } = this.#settings
    // Another token that cannot be read is no obstacle if ours is found.
    let unreadable: Error | undefined
    const found = this.#module.C_GetSlotList(true).flatMap((slot) => {
      try {
        const { label, serialNumber } = this.#module.C_GetTokenInfo(slot)
        const fits = tokenLabel === undefined ? slot.readUIntLE(0, 4) === number : label.trim() === tokenLabel
        return fits ? [{ slot, serial: serialNumber.trim() }] : []
      } catch (error) {
        unreadable = error as Error
        return []
      }
    })
    const [only, ...others] = found
    // Their order may change: keys would be made in one token and looked for in another.
    if (others.length > 0) {
      const serials = found.map(({ serial }) => serial).join(', ')
      throw away(`${found.length} tokens have the label "${tokenLabel}": ${serials}`, ONE_OF_THEM)
    }
    if (only !== undefined) return only
    if (unreadable !== undefined) throw unreadable
    throw new Error(tokenLabel === undefined ? `no token in slot ${number}` : `no token has the label "${tokenLabel}"`)
  }

  #login(session: Pkcs11.Handle): void {
    try {
      this.#module.C_Login(session, this.#pkcs11.CKU_USER, this.#settings.pin)
    } catch (error) {
      if (messageOf(error) !== 'CKR_USER_ALREADY_LOGGED_IN') throw error
    }
  }
}

function away(cause: unknown, hint = 'connect the token; nothing else needs to be done'): TrustError {
  return new TrustError('SIGNER_UNAVAILABLE', `the PKCS#11 token cannot be reached: ${messageOf(cause)}`, {
    hint,
    cause,
  })
}

function pinRefused(cause: unknown): TrustError {
  return new TrustError('BAD_KEYS', `the PKCS#11 token does not accept the PIN: ${messageOf(cause)}`, {
    hint: 'check the file that signers.pkcs11.pinFile names; it is not tried again before a restart: tokens lock themselves',
    cause,
  })
}
