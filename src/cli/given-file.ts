import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileError, TrustError } from '../errors.ts'

/** Throws if a name is empty: mostly, a script's variable has no value. @throws TrustError BAD_SETTINGS */
export function mustNotBeEmpty(what: 'file' | 'directory', name: string, hint?: string): void {
  if (name === '') throw new TrustError('BAD_SETTINGS', `the name of the ${what} is empty`, { hint })
}

/** Returns the absolute path of a directory that an argument or an option names. @throws TrustError BAD_SETTINGS */
export function givenDirectory(name: string): string {
  // An empty name would mean the current directory.
  mustNotBeEmpty('directory', name)
  return resolve(name)
}

/** Not a matter of the file's owner: docs/INSTALL.md has a wrapper that runs every command as the server's user. */
const UNREADABLE = 'the user that this runs as must be able to read the file, and to enter the directories above it'

/** Reads a file that an argument or an option names. @throws TrustError BAD_SETTINGS */
export async function readGiven(file: string, hint = 'check the path'): Promise<Buffer> {
  mustNotBeEmpty('file', file, hint)
  return readFile(file).catch((cause: unknown) => {
    throw fileError('BAD_SETTINGS', `cannot read ${file}`, cause, hint, UNREADABLE)
  })
}

/** Reads it as text; `-` is standard input. @throws TrustError BAD_SETTINGS */
export async function readGivenText(file: string, hint?: string): Promise<string> {
  return file === '-' ? text(process.stdin) : String(await readGiven(file, hint))
}
