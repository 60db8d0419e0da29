import { readFile } from 'node:fs/promises'
import { fileError } from '../errors.ts'

/** A file that an argument or an option names. @throws TrustError BAD_SETTINGS */
export async function readGiven(file: string, hint = 'check the path'): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw fileError('BAD_SETTINGS', `cannot read ${file}`, cause, hint)
  })
}
