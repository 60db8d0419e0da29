import { hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { cachedFile, clientCache } from '../../registry/client-cache.ts'
import { notaryServer } from '../../registry/notary-server.ts'
import type { Patiently } from '../../registry/patience.ts'
import { registryPlace } from '../../registry/reference.ts'
import type { TrustSource } from '../../registry/trust-data.ts'
import type { Gun } from '../../tuf/gun.ts'
import { dockerLogin } from '../docker-login.ts'
import { readGiven } from '../given-file.ts'

export { patience } from '../../registry/patience.ts'
export { readTrustData } from '../../registry/trust-data.ts'
export { trustAuthority } from '../../registry/trust-authority.ts'

/**
 * Returns where to read a repository from: another server, or a client's cache. Uses docker's credentials for the
 * registry of the images.
 *
 * @param from a URL or a directory
 * @param patiently what to do if the server asks to wait
 * @throws TrustError INVALID_PARAMETERS
 */
export function sourceAt(from: string, gun: Gun, patiently: Patiently): TrustSource {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(from)) {
    // Shells do not expand it in --from=~/.docker/trust.
    return clientCache(from.replace(/^~(?=\/|$)/, homedir()), gun)
  }
  const { account } = registryPlace(gun)
  return notaryServer(from, gun, { account, credentials: dockerLogin(account), patiently })
}

/** Returns what reads a repository's trusted root, for its checksum: a file, or the repository's in a client's directory. */
export async function trustedRoots(place: string | undefined): Promise<(gun: Gun) => Promise<string | undefined>> {
  if (place === undefined) return async () => undefined
  const checksumOf = async (file: string, hint?: string): Promise<string> =>
    hash('sha256', await readGiven(file, hint), 'hex')
  if ((await stat(place).catch(() => undefined))?.isDirectory() === true) {
    const hint = 'this client has not read it: compare its root key with its owner, and adopt it without --trusted-root'
    return (gun) => checksumOf(cachedFile(place, gun, 'root'), hint)
  }
  const checksum = await checksumOf(place)
  return async () => checksum
}
