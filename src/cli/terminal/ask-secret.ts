import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { TrustError } from '../../errors.ts'
import { isOpenToAll, isTypable, secretIn } from '../../signing/secret-file.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { readGiven } from '../given-file.ts'
import { note } from './print.ts'

/**
 * Reads a secret from a file, or asks for it on the terminal without echo.
 *
 * @param file value of an option `--…-file`; its last line end does not count
 * @param what the secret's name: `password of alice`
 * @param option the option that names a file, for users without a terminal
 * @throws TrustError BAD_SETTINGS
 */
export async function secretFrom(file: string | undefined, what: string, option: string): Promise<string> {
  if (file !== undefined) return readSecret(file, option)
  if (!process.stdin.isTTY) {
    throw new TrustError('BAD_SETTINGS', `there is no terminal to ask for the ${what}`, { hint: `use ${option} FILE` })
  }
  return askHidden(`${what}: `)
}

/** Does the same for a new secret, and asks twice on the terminal. @throws TrustError BAD_SETTINGS */
export async function newSecretFrom(file: string | undefined, what: string, option: string): Promise<string> {
  if (file !== undefined) return readSecret(file, option, true)
  const secret = await secretFrom(file, what, option)
  if ((await askHidden(`${what} again: `)) !== secret) {
    throw new TrustError('BAD_SETTINGS', 'the two do not match; nothing was changed')
  }
  return secret
}

async function readSecret(file: string, option: string, isNew = false): Promise<string> {
  const content = await readGiven(file, `check ${option}`)
  // A secret that is already in use counts as it is.
  if (isNew && !isTypable(content)) {
    throw new TrustError(
      'BAD_SETTINGS',
      `${file} holds text that cannot be typed: it is not UTF-8, or has a byte order mark`,
      {
        hint: 'save it as plain text in UTF-8',
      },
    )
  }
  if (await isOpenToAll(file)) note(`warning: anyone can read ${file}: chmod 600 ${shellQuoted(file)}`)
  return secretIn(content)
}

/** Asks on standard error, and hides what is typed. @throws TrustError BAD_SETTINGS at Ctrl-C or Ctrl-D */
async function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  // Ignore Ctrl-Z: after returning, the user would type the secret visibly, even into the shell.
  terminal.on('SIGTSTP', () => {})
  // Input is hidden only from here on.
  process.stderr.write(question)
  try {
    const closed = once(terminal, 'close').then(() => undefined)
    const answer = await Promise.race([terminal.question('').catch(() => undefined), closed])
    if (answer !== undefined) return answer
    throw new TrustError('BAD_SETTINGS', 'nothing was entered; nothing was changed')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
