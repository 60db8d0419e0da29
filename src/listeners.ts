import type { App } from './http/app.ts'
import { clientCertificatesOf } from './authentication.ts'
import { TrustError } from './errors.ts'
import { withAdmin } from './http/admin-listener.ts'
import { listen, mustBeFree, type Listening, type TlsMaterial } from './http/server.ts'
import type { Log } from './repository/trust.ts'
import type { Settings } from './settings/schema.ts'
import { isOpenToAll } from './signing/secret-file.ts'
import { loadTls, tlsFiles } from './signing/tls-identity.ts'

/** Everything that listens on the network. */
interface Listeners {
  /** As clients reach the public listener, if `listen.host` is a name for them. */
  readonly url: string
  /** IP address and port of the public listener. */
  readonly address: string
  readonly port: number
  /** Undefined: the admin API has no listener of its own. */
  readonly adminPort: number | undefined
  close(): Promise<void>
}

/** What is needed to listen, read before anything is opened. */
interface ListenerTls {
  /** Undefined: plain HTTP. */
  readonly public: TlsMaterial | undefined
  readonly admin: TlsMaterial | undefined
}

/** @param now milliseconds since 1970 @throws TrustError BAD_TLS, BAD_SETTINGS */
export async function listenerTlsOf(settings: Settings, now: number, log: Log): Promise<ListenerTls> {
  const { listen, admin, tls, keysDirectory } = settings
  if (listen.plainHttp !== undefined && admin.listen === undefined) return { public: undefined, admin: undefined }
  const made = tlsFiles(keysDirectory)
  const keyFile = tls.keyFile ?? made.key
  const identity = await loadTls(tls.certificateFile ?? made.certificate, keyFile, now)
  if (await isOpenToAll(keyFile)) log.warn({ file: keyFile }, 'everybody can read the TLS key')
  const material = { ...identity, ...(await clientCertificatesOf(settings)) }
  return { public: listen.plainHttp === undefined ? material : undefined, admin: material }
}

/**
 * Listen where the settings say.
 *
 * @param shared other threads will listen on the public port too
 * @throws TrustError BAD_SETTINGS if something else listens there
 */
export async function startListening(
  app: App,
  admin: App,
  settings: Settings,
  tls: ListenerTls,
  shared: boolean,
): Promise<Listeners> {
  const application = settings.admin.public === undefined ? app : withAdmin(app, admin)
  if (shared) await mustBeFree(settings.listen).catch(refused('listen', settings.listen))
  const opened = [await listen(application, settings, tls.public, { shared }).catch(refused('listen', settings.listen))]
  try {
    const place = settings.admin.listen
    if (place !== undefined) {
      const own = { ...settings, listen: { ...settings.listen, ...place } }
      opened.push(await listen(admin, own, tls.admin).catch(refused('admin.listen', place)))
    }
  } catch (error) {
    await closeAll(opened)
    throw error
  }
  const [{ address, port } = { address: '', port: 0 }, own] = opened
  const { host } = settings.listen
  const url = `${tls.public === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { url, address, port, adminPort: own?.port, close: () => closeAll(opened) }
}

async function closeAll(opened: readonly Listening[]): Promise<void> {
  await Promise.all(opened.map((listening) => listening.close()))
}

/** What the system calls by these names. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  ENOTFOUND: 'that name has no address',
  EAI_AGAIN: 'that name cannot be looked up',
  EACCES: 'the system keeps that port for root',
}

function refused(setting: 'listen' | 'admin.listen', { host, port }: { host: string; port: number }) {
  return (cause: NodeJS.ErrnoException): never => {
    if (cause.code === undefined) throw cause
    const reason = REASONS[cause.code] ?? cause.code
    const variable = `COUNTERSIGN_${setting.replace('.', '_').toUpperCase()}`
    throw new TrustError('BAD_SETTINGS', `cannot listen on ${host}:${port}: ${reason}`, {
      hint: `set ${setting}.host and ${setting}.port (${variable}_HOST, ${variable}_PORT)`,
      cause,
    })
  }
}
