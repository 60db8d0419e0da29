import { rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, TrustError } from '../errors.ts'
import { currentSecret, KEYRING, newKeyFile, newPassphrase } from './keyring-secret.ts'
import { Keyring } from './keyring.ts'

/** Lock file; exists while the keyring is put under another secret. */
const REKEY_LOCK = '.rekey'
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Puts the keyring under another secret: from a key file to a passphrase, from one passphrase to another, or back to a
 * new key file. Does not touch keys of repositories.
 *
 * @param passphraseFile file with the current passphrase; undefined for the key file
 * @param newPassphraseFile file with the new passphrase; undefined for a new key file
 * @param dryRun open and read everything, but write nothing
 * @throws TrustError BAD_KEYS, BUSY
 */
export async function rekey(
  directory: string,
  passphraseFile?: string,
  newPassphraseFile?: string,
  dryRun = false,
): Promise<void> {
  const work = (): Promise<void> => changeSecret(directory, passphraseFile, newPassphraseFile, dryRun)
  return dryRun ? work() : alone(directory, work)
}

/** Runs work under a lock: two at once could leave one's key file beside the other's keyring, and no key would open. */
async function alone(directory: string, work: () => Promise<void>): Promise<void> {
  const lock = join(directory, REKEY_LOCK)
  await writeFile(lock, '', { mode: 0o600, flag: 'wx' }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw fileError('BAD_KEYS', `cannot write ${lock}`, cause, 'check the setting keysDirectory')
    }
    throw new TrustError('BUSY', `another command is putting the keyring in ${directory} under a new secret`, {
      hint: `wait until that is done, then see which secret opens it; if it was killed, remove ${lock} and try again`,
      cause,
    })
  })
  // Ctrl-C still ends the process, but leaves no lock.
  const end = (signal: NodeJS.Signals): void => {
    rmSync(lock, { force: true })
    process.kill(process.pid, signal)
  }
  for (const signal of ENDING) process.once(signal, end)
  try {
    await work()
  } finally {
    for (const signal of ENDING) process.off(signal, end)
    await rm(lock, { force: true })
  }
}

async function changeSecret(
  directory: string,
  passphraseFile: string | undefined,
  newPassphraseFile: string | undefined,
  dryRun: boolean,
): Promise<void> {
  const old = await currentSecret(directory, passphraseFile)
  if (passphraseFile === undefined && newPassphraseFile === undefined) {
    throw new TrustError('BAD_KEYS', 'the keyring is already protected by a key file', {
      hint: 'name a file with the new passphrase',
    })
  }
  // Open the keyring before writing anything: a new key file must not replace one that is still needed.
  await Keyring.open(join(directory, KEYRING), old)
  const given = newPassphraseFile === undefined ? undefined : await newPassphrase(newPassphraseFile, 'the path')
  if (dryRun) return
  const secret = given ?? (await newKeyFile(directory))
  await Keyring.rekey(join(directory, KEYRING), old, secret)
}
