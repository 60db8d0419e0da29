import { hash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, isMissing, TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import { isDelegation } from '../tuf/role.ts'
import { failure } from './ask.ts'
import { documentMaxBytes, readDocument, type TrustSource } from './trust-source.ts'

/** Where clients keep their caches. */
const USUAL = "docker's is ~/.docker/trust, that of notary is ~/.notary"
/** A client that was stopped, or lost the network, has cached only part of what it wanted to read. */
const READ_AGAIN =
  'have the client read it again: docker trust inspect NAME, or notary list NAME; if its server is gone, use the cache of another client'

/**
 * Returns a source that reads a repository from the cache of docker or notary: one document per role,
 * `tuf/GUN/metadata/ROLE.json` (wire spec §14.4). Older roots are there only if somebody put them there, as
 * `1.root.json`.
 *
 * @param directory `~/.docker/trust`
 */
export function clientCache(directory: string, gun: Gun): TrustSource {
  const source = { name: directory }
  const fileOf = (name: string): string => cachedFile(directory, gun, name)
  return {
    ...source,
    async document(role, which) {
      const limit = documentMaxBytes(role)
      if (which !== undefined && 'version' in which) {
        const kept = await readUpTo(fileOf(`${which.version}.${role}`), limit)
        if (kept !== undefined) return kept
      }
      const current = await readUpTo(fileOf(role), limit)
      if (current === undefined) {
        await mustBeCache(directory, `${USUAL}; the URL of a server begins with https://`)
        // A client that only publishes never reads a timestamp; one that was stopped may lack any of the others.
        const others = isDelegation(role) ? [] : (['timestamp', 'root'] as const).filter((other) => other !== role)
        for (const other of others) {
          if ((await readUpTo(fileOf(other), documentMaxBytes(other))) === undefined) continue
          throw failure(source, `has no ${role} of ${gun}: this client has not read it yet`, READ_AGAIN)
        }
        return undefined
      }
      if (which === undefined) return current
      if ('version' in which) return readDocument(source, role, current).version === which.version ? current : undefined
      if (hash('sha256', current, 'hex') === which.sha256) return current
      const by = role === 'snapshot' ? 'timestamp' : 'snapshot'
      throw new TrustError('REGISTRY', `the ${role} in ${directory} is not the one that the ${by} there names`, {
        hint: READ_AGAIN,
      })
    },
    skips: async (role) => (await readUpTo(fileOf(role), documentMaxBytes(role))) === undefined,
  }
}

/** Returns where a client caches a document (wire spec §14.4). @param name a role, or a version and a role: `1.root` */
export function cachedFile(directory: string, gun: Gun, name: string): string {
  // No segment of a GUN leads out of the directory, and a role's name contains no dots.
  return join(directory, 'tuf', gun, 'metadata', `${name}.json`)
}

/** @returns undefined if there is no such file */
async function readUpTo(path: string, limit: number): Promise<Buffer | undefined> {
  try {
    const found = await stat(path)
    // Reading a pipe blocks until somebody writes to it, and a device never ends.
    if (!found.isFile()) throw new TrustError('REGISTRY', `${path} is not a file`)
    if (found.size > limit) throw new TrustError('REGISTRY', `${path} has more than ${limit} bytes`)
    return await readFile(path)
  } catch (error) {
    if (error instanceof TrustError) throw error
    if (isMissing(error)) return undefined
    throw fileError('REGISTRY', `cannot read ${path}`, error, 'name a directory that a client wrote')
  }
}

/** @throws TrustError NOT_FOUND if the directory is no client's cache */
export async function mustBeCache(directory: string, hint = USUAL): Promise<void> {
  const found = await stat(join(directory, 'tuf')).catch(() => undefined)
  if (found?.isDirectory() === true) return
  throw new TrustError('NOT_FOUND', `${directory} is not a trust directory of docker or notary`, { hint })
}
