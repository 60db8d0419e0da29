import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileError } from '../errors.ts'

/** Reads a file that an argument or an option names. @throws TrustError BAD_SETTINGS */
export async function readGiven(file: string, hint = 'check the path'): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw fileError('BAD_SETTINGS', `cannot read ${file}`, cause, hint)
  })
}

/** Reads it as text; `-` is standard input. @throws TrustError BAD_SETTINGS */
export async function readGivenText(file: string, hint?: string): Promise<string> {
  return file === '-' ? text(process.stdin) : String(await readGiven(file, hint))
}
