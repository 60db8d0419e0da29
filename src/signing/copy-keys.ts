import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, TrustError } from '../errors.ts'
import { makeSecretDirectory, writeFileAtomically } from './secret-file.ts'

/**
 * Copies the contents of a keys directory with the same file permissions. Follows links. Skips names that begin with a
 * dot: files being written, and the directories behind Kubernetes' secret mounts.
 *
 * @param without paths of files to leave out
 * @throws TrustError BAD_KEYS
 */
export async function copyKeys(from: string, to: string, without: readonly string[]): Promise<void> {
  await makeSecretDirectory(to)
  const names = await readdir(from).catch((cause: unknown) => {
    throw cannotRead(from, cause)
  })
  for (const name of names) {
    const [path, copy] = [join(from, name), join(to, name)]
    if (name.startsWith('.') || without.includes(path)) continue
    try {
      const found = await stat(path)
      if (found.isDirectory()) await copyKeys(path, copy, without)
      else if (found.isFile()) await writeFileAtomically(copy, await readFile(path), found.mode & 0o777)
    } catch (cause) {
      if (cause instanceof TrustError) throw cause
      throw cannotRead(path, cause)
    }
  }
}

function cannotRead(path: string, cause: unknown): TrustError {
  return fileError('BAD_KEYS', `cannot read ${path}`, cause, 'check the setting keysDirectory')
}
