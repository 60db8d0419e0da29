import type { KeyObject } from 'node:crypto'
import { TrustError } from '../../errors.ts'
import { openRootKey, type SealedRootKey } from '../../signing/root-key.ts'
import { newSecretFrom, secretFrom } from '../terminal/ask-secret.ts'
import { note } from '../terminal/print.ts'

/** Option that names the file with a root key's passphrase. */
export const PASSPHRASE_OPTION = '--passphrase-file'
/** Tries for a passphrase on the terminal. */
const TRIES = 3

/** The passphrases of root keys: asks for them on the terminal or reads them from a file, and asks nobody in vain twice. */
export class Passphrases {
  readonly #file: string | undefined
  /** Content of the file, read once: a pipe can be read only once. */
  #said: string | undefined
  /** Why no passphrase could be had: after Ctrl-C, do not ask again for the next repository. */
  #refusal: TrustError | undefined
  /** Keys that did not open, by name: do not ask for the next repository either. */
  readonly #closed = new Map<string, TrustError>()

  /** @param file holds the passphrase of every key; undefined: ask on the terminal */
  constructor(file: string | undefined) {
    this.#file = file
  }

  /**
   * Opens a sealed root key. Tries again on the terminal, since people mistype; a file's content stays the same.
   *
   * @throws TrustError BAD_KEYS for a wrong passphrase, BAD_SETTINGS if none could be had
   */
  async unseal(name: string, sealed: SealedRootKey, publicKey: string): Promise<KeyObject> {
    const before = this.#closed.get(name)
    if (before !== undefined) throw before
    for (let tries = this.#file === undefined ? TRIES : 1; ; tries -= 1) {
      const passphrase = await this.#ask(name)
      try {
        return openRootKey(name, sealed, publicKey, passphrase)
      } catch (error) {
        if (!(error instanceof TrustError) || error.code !== 'BAD_KEYS') throw error
        if (tries === 1) {
          this.#closed.set(name, error)
          throw error
        }
        note(`${error.message}; try again`)
      }
    }
  }

  async #ask(name: string): Promise<string> {
    if (this.#refusal !== undefined) throw this.#refusal
    try {
      const said = this.#said ?? (await secretFrom(this.#file, `passphrase of the root key ${name}`, PASSPHRASE_OPTION))
      if (this.#file !== undefined) this.#said = said
      return said
    } catch (error) {
      if (error instanceof TrustError) this.#refusal = error
      throw error
    }
  }

  /** Asks for the passphrase of a root key that is being made. @throws TrustError BAD_SETTINGS if there is none */
  choose(name: string): Promise<string> {
    return newSecretFrom(this.#file, `new passphrase of the root key ${name}`, PASSPHRASE_OPTION)
  }
}
