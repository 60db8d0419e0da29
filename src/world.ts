import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { World } from './admin/operation.ts'
import { CLIENT_CA, SERVER_CA, SERVER_CERTIFICATE, UNREADABLE, UNUSABLE } from './admin/server-advice.ts'
import { backupsOf } from './backup.ts'
import { damageIn } from './errors.ts'
import { pemCertificates } from './pem-certificates.ts'
import { check } from './repository/check.ts'
import type { Ending } from './repository/expiry.ts'
import type { Trust } from './repository/trust.ts'
import type { Settings } from './settings/schema.ts'
import { usesTls } from './settings/uses-tls.ts'
import { mustBeWhole } from './signing/keys-directory.ts'
import type { RoutedSigner } from './signing/routed-signer.ts'
import { tlsFiles } from './signing/tls/identity.ts'
import { loadTls } from './signing/tls/load.ts'
import type { LevelStore } from './store/level-store.ts'

const DAY = 86_400_000

/** Returns the state that operations work on, except who makes the request. */
export function worldOver(
  settings: Settings,
  trust: Trust,
  store: LevelStore,
  signer: RoutedSigner,
): Omit<World, 'asker'> {
  const keyFault: World['keyFault'] = (...key) => signer.fault(...key)
  return {
    trust,
    keyFault,
    check: async () => check(await store.snapshot(), keyFault, trust.now()),
    keysFault: () => keysFaultIn(settings.keysDirectory),
    certificates: () => serverCertificates(settings, trust.now()),
    backUp: backupsOf(settings, store),
    keyAge: settings.rotation.keyAgeDays === undefined ? undefined : settings.rotation.keyAgeDays * DAY,
    rehearsalSigner: signer.rehearsing(),
  }
}

/**
 * Checks the key files: a running server has its keys in memory, and does not notice that a file was removed or changed.
 */
async function keysFaultIn(directory: string): Promise<string | undefined> {
  try {
    await mustBeWhole(directory)
    return undefined
  } catch (error) {
    return `${damageIn(error).message}: no server starts like that; restore it from a backup`
  }
}

/**
 * Returns when the certificates end that clients see, and the first of the CAs of their own certificates; none without
 * TLS. One that cannot be read counts as ending now: it must not hide the others.
 *
 * @param now milliseconds since 1970
 */
async function serverCertificates(settings: Settings, now: number): Promise<Ending[]> {
  if (!usesTls(settings)) return []
  const { tls, keysDirectory, access } = settings
  const made = tlsFiles(keysDirectory)
  const { certificateFile = made.certificate, keyFile = made.key } = tls
  const found = [servedEnding(certificateFile, keyFile, now)]
  if (tls.certificateFile === undefined) found.push(ending(SERVER_CA, made.ca, now))
  const { caFile } = access.clientCertificates ?? {}
  if (caFile !== undefined) found.push(ending(CLIENT_CA, caFile, now))
  return Promise.all(found)
}

/**
 * Files that a running server refuses to serve count as ending now, however long they are valid: what it serves instead is
 * older, and its next start would be refused.
 */
async function servedEnding(certificateFile: string, keyFile: string, now: number): Promise<Ending> {
  const found = await ending(SERVER_CERTIFICATE, certificateFile, now)
  if (found.expires <= now) return found
  try {
    await loadTls(certificateFile, keyFile, now)
    return found
  } catch {
    return { what: `${SERVER_CERTIFICATE}${UNUSABLE}`, expires: now }
  }
}

async function ending(what: string, file: string, now: number): Promise<Ending> {
  try {
    const text = await readFile(file, 'latin1')
    // In a server's file, the others are its issuers', which outlive it.
    const certificates = [text, ...(what === CLIENT_CA ? pemCertificates(text) : [])]
    return { what, expires: Math.min(...certificates.map((pem) => new X509Certificate(pem).validToDate.getTime())) }
  } catch {
    return { what: `${what}${UNREADABLE}`, expires: now }
  }
}
