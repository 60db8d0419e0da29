import { constants, existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pkcs11Settings } from '../../src/signing/pkcs11/signer.ts'
import { runProgram, skipWithout, succeeded } from '../clients/support/tools.ts'

const LIBRARY = '/usr/lib/softhsm/libsofthsm2.so'
const PIN = 'pin-of-the-test-token'
const LABEL = 'countersign test'

/** Returns why there can be no token here; false if there can. */
export const skipWithoutToken = existsSync(join(import.meta.dirname, '../../node_modules/pkcs11js'))
  ? skipWithout('softhsm2-util')
  : 'the package pkcs11js is not installed'

/**
 * A PKCS#11 token of SoftHSM, in a directory of its own that can be taken away and put back. One per process: the
 * library reads the place of its configuration from the environment.
 */
export class SoftToken {
  readonly directory: string
  readonly settings: Pkcs11Settings

  private constructor(directory: string, settings: Pkcs11Settings) {
    this.directory = directory
    this.settings = settings
  }

  static async create(keyAlgorithm: Pkcs11Settings['keyAlgorithm'] = 'ecdsa'): Promise<SoftToken> {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-token-'))
    const pinFile = join(directory, 'pin')
    await writeFile(pinFile, `${PIN}\n`, { mode: 0o600 })
    const token = new SoftToken(directory, {
      library: LIBRARY,
      tokenLabel: LABEL,
      pinFile,
      keyAlgorithm,
      answerSeconds: 20,
    })
    Object.assign(process.env, token.environment)
    await initialise(join(directory, 'tokens'), join(directory, 'softhsm2.conf'))
    return token
  }

  /** Environment for programs that use the token. */
  get environment(): Record<string, string> {
    return { SOFTHSM2_CONF: join(this.directory, 'softhsm2.conf') }
  }

  /** Returns settings with another PIN, label, … */
  with(changes: Partial<Pkcs11Settings>): Pkcs11Settings {
    return { ...this.settings, ...changes }
  }

  /** Replaces the token by another, empty one with the same label and PIN. */
  async replace(): Promise<void> {
    const [tokens, next, old] = ['tokens', 'next', 'old'].map((name) => join(this.directory, name)) as [
      string,
      string,
      string,
    ]
    // Not in its place: a signer that found nothing there would not look again for a while.
    await initialise(next, join(this.directory, 'next.conf'))
    await rename(tokens, old)
    await rename(next, tokens)
    await rm(old, { recursive: true })
  }

  /** Makes the token hang, as over a broken network, until the returned function is called. */
  async hang(): Promise<() => Promise<void>> {
    const tokens = join(this.directory, 'tokens')
    const [name = ''] = await readdir(tokens)
    const at = (file: string): string => join(tokens, name, file)
    const [file, saved, pipe] = [at('generation'), at('saved'), at('pipe')]
    await rename(file, saved)
    // Reading a pipe that nobody writes to blocks.
    succeeded(await runProgram('mkfifo', [file], {}))
    return async () => {
      await rename(file, pipe)
      await rename(saved, file)
      await (await open(pipe, constants.O_RDWR | constants.O_NONBLOCK)).close()
      await rm(pipe)
    }
  }

  async takeAway(): Promise<void> {
    await rename(join(this.directory, 'tokens'), join(this.directory, 'away'))
  }

  async putBack(): Promise<void> {
    await rename(join(this.directory, 'away'), join(this.directory, 'tokens'))
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true })
  }
}

/** Makes an empty token. @param configuration of the library, for this directory of tokens; it is written */
async function initialise(tokens: string, configuration: string): Promise<void> {
  await mkdir(tokens)
  await writeFile(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  const init = ['--init-token', '--free', '--label', LABEL, '--pin', PIN, '--so-pin', 'so-pin-of-the-test']
  succeeded(await runProgram('softhsm2-util', init, { SOFTHSM2_CONF: configuration }))
}
