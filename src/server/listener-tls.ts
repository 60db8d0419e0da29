import { X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { clientAuthoritiesOf } from '../authentication.ts'
import type { TlsMaterial } from '../http/server.ts'
import type { Log } from '../log/log.ts'
import type { Repeating } from '../repository/repeat.ts'
import type { Settings } from '../settings/schema.ts'
import { serverNames } from '../settings/server-names.ts'
import { usesTls } from '../settings/uses-tls.ts'
import { isOpenToAll } from '../signing/secret-file.ts'
import { renewServerCertificate, tlsFiles } from '../signing/tls/identity.ts'
import { loadTls } from '../signing/tls/load.ts'
import { followFiles } from './follow-files.ts'

/** The TLS material of the listeners. */
export interface ListenerTls {
  /** Undefined: plain HTTP. */
  readonly public: TlsMaterial | undefined
  /** Undefined: no listener uses TLS. */
  readonly admin: TlsMaterial | undefined
}

/** @param now milliseconds since 1970 @throws TrustError BAD_TLS, BAD_SETTINGS */
export async function listenerTlsOf(settings: Settings, now: number): Promise<ListenerTls> {
  const { listen, tls, keysDirectory } = settings
  if (!usesTls(settings)) return { public: undefined, admin: undefined }
  const made = tlsFiles(keysDirectory)
  const identity = await loadTls(tls.certificateFile ?? made.certificate, tls.keyFile ?? made.key, now)
  const material = { ...identity, ca: await clientAuthoritiesOf(settings) }
  return { public: listen.plainHttp === undefined ? material : undefined, admin: material }
}

/** Warns of TLS keys that everybody can read, that of our own CA included; they are used all the same. */
export async function warnOfOpenKeys({ tls, keysDirectory }: Settings, log: Log): Promise<void> {
  const made = tlsFiles(keysDirectory)
  for (const file of [tls.keyFile ?? made.key, made.caKey]) {
    if (await isOpenToAll(file)) log.warn({ file }, 'everybody can read the TLS key')
  }
}

/**
 * Serves renewed certificates without a restart: reads the files again periodically, and replaces the certificate that
 * the server made before it expires. If new ones cannot be served, keeps the old ones and logs why once.
 *
 * @param served what is served at first; not empty
 * @param interval milliseconds between two looks
 * @param use makes all later connections use it
 */
export function followTls(
  settings: Settings,
  served: ListenerTls,
  interval: number,
  { now, log }: { readonly now: () => number; readonly log: Log },
  use: (tls: ListenerTls) => Promise<void>,
): Repeating {
  let current = served
  const { keysDirectory, tls } = settings
  const renewOwn = async (): Promise<void> => {
    if (tls.certificateFile === undefined) await renewServerCertificate(keysDirectory, serverNames(settings), now())
  }
  const reload = async (): Promise<void> => {
    const found = await listenerTlsOf(settings, now())
    if (isDeepStrictEqual(found, current)) return
    await use(found)
    current = found
    const expires = new X509Certificate(found.admin?.cert ?? '').validToDate.toISOString()
    log.info({ expires }, 'new TLS certificates are served')
  }
  // Look even if our own cannot be renewed: the authorities of client certificates may have changed.
  return followFiles({ what: 'new TLS certificates', use: 'served' }, interval, log, [renewOwn, reload])
}
