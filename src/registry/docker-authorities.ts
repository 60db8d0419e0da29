import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, isMissing } from '../errors.ts'
import { pemCertificates } from '../pem-certificates.ts'
import { isUntrusted, trustAuthority } from './trust-authority.ts'

/**
 * Does something that asks a server. If the server's certificate is not trusted, makes this thread trust what docker
 * trusts, and does it once more: the system's authorities, and those that somebody has put into docker's configuration
 * for this server.
 *
 * @param directories with certificates of authorities, `*.crt`; those that do not exist are left out
 * @throws TrustError BAD_TLS if a certificate there cannot be read; and whatever `ask` throws
 */
export async function trustingAsDocker<T>(directories: readonly string[], ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    // Only now: to read the system's takes a third of a command's time.
    if (!isUntrusted(error) || !(await trustMore(directories))) throw error
    return ask()
  }
}

/** What has been read already: of hundreds of repositories on one server, each may fail in the same way. */
const read = new Set<string>()

/** @returns false if all of it was trusted before */
async function trustMore(directories: readonly string[]): Promise<boolean> {
  const places = directories.join('\0')
  if (read.has(places)) return false
  const { getCACertificates } = process.getBuiltinModule('node:tls')
  const trusted = (): Set<string> => new Set(pemCertificates(getCACertificates('default').join('\n')))
  const before = trusted()
  const system = getCACertificates('system')
  if (system.length > 0) trustAuthority(system.join('\n'))
  for (const directory of directories) await trustThoseIn(directory)
  read.add(places)
  return trusted().difference(before).size > 0
}

async function trustThoseIn(directory: string): Promise<void> {
  try {
    for (const name of await readdir(directory)) {
      if (name.endsWith('.crt')) trustAuthority(await readFile(join(directory, name), 'utf8'))
    }
  } catch (error) {
    if (!isMissing(error)) throw fileError('BAD_TLS', `cannot read the certificates in ${directory}`, error, MEND)
  }
}

const MEND = 'docker looks there too: mend it, or move it away'
