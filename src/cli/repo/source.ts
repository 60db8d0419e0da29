import { hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { fileError } from '../../errors.ts'
import { cachedFile, clientCache, mustBeCache } from '../../registry/client-cache.ts'
import { trustingAsDocker } from '../../registry/docker-authorities.ts'
import { notaryServer } from '../../registry/notary-server.ts'
import type { Patiently } from '../../registry/patience.ts'
import { registryPlace } from '../../registry/reference.ts'
import { readTrustData, type ForeignDocument } from '../../registry/trust-data.ts'
import { trustAuthority } from '../../registry/trust-authority.ts'
import { readDocument } from '../../registry/trust-source.ts'
import type { Gun } from '../../tuf/gun.ts'
import { dockerAuthorities, dockerLogin } from '../docker-config.ts'
import { readGiven } from '../given-file.ts'

export { patience } from '../../registry/patience.ts'

/**
 * Reads everything that clients need of a repository, from another server or from a client's cache. Uses docker's
 * credentials for the registry of the images, and trusts the authorities that docker trusts.
 *
 * @param from a URL or a directory
 * @param patiently what to do if the server asks to wait
 * @throws TrustError INVALID_PARAMETERS, or as `readTrustData` does
 */
export async function trustDataAt(from: string, gun: Gun, patiently: Patiently): Promise<ForeignDocument[]> {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(from)) return readTrustData(clientCache(withoutTilde(from), gun), gun)
  const { account } = registryPlace(gun)
  const server = notaryServer(from, gun, { account, credentials: dockerLogin(account), patiently })
  return trustingAsDocker(dockerAuthorities(new URL(from).host), () => readTrustData(server, gun))
}

/** Trusts the authorities in a file from now on. @throws TrustError BAD_SETTINGS, BAD_TLS */
export async function trustAuthoritiesIn(file: string): Promise<void> {
  const pem = String(await readGiven(file))
  try {
    trustAuthority(pem)
  } catch (cause) {
    throw fileError(
      'BAD_TLS',
      `cannot read the certificates in ${file}`,
      cause,
      'it must have the CA of the other server, as PEM',
    )
  }
}

/**
 * Returns what reads a repository's trusted root, for its checksum: a file, or the repository's in a client's directory.
 *
 * @throws TrustError NOT_FOUND for a directory that is no client's; otherwise if a file is not there or no root
 */
export async function trustedRoots(given: string | undefined): Promise<(gun: Gun) => Promise<string | undefined>> {
  if (given === undefined) return async () => undefined
  const place = withoutTilde(given)
  const checksumOf = async (file: string, hint?: string): Promise<string> => {
    const bytes = await readGiven(file, hint)
    // The wrong file would look like an attack: none of the roots is the one that is trusted.
    readDocument({ name: file }, 'root', bytes)
    return hash('sha256', bytes, 'hex')
  }
  if ((await stat(place).catch(() => undefined))?.isDirectory() === true) {
    await mustBeCache(place)
    const hint = 'this client has not read it: compare its root key with its owner, and adopt it without --trusted-root'
    return (gun) => checksumOf(cachedFile(place, gun, 'root'), hint)
  }
  const checksum = await checksumOf(place)
  return async () => checksum
}

/** Shells do not expand it in --from=~/.docker/trust. */
function withoutTilde(path: string): string {
  return path.replace(/^~(?=\/|$)/, homedir())
}
