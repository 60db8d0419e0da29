import { TrustError } from '../errors.ts'
import { withAdmin } from '../http/admin/listener.ts'
import type { App } from '../http/app.ts'
import { listen, mustBeFree, type Listening } from '../http/server.ts'
import { variableOf } from '../settings/names.ts'
import type { Settings } from '../settings/schema.ts'
import type { ListenerTls } from './listener-tls.ts'

/** Everything that listens on the network. */
interface Listeners {
  /** URL of the public listener, if clients can use `listen.host` as a name. */
  readonly url: string
  /** IP address and port of the public listener. */
  readonly address: string
  readonly port: number
  /** Undefined: the admin API has no listener of its own. */
  readonly adminPort: number | undefined
  /** Uses this for all connections from now on. */
  useTls(tls: ListenerTls): void
  close(): Promise<void>
}

/**
 * Listens where the settings say.
 *
 * @param shared true: other threads will listen on the public port too
 * @throws TrustError BAD_SETTINGS if something else is already listening there
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
  const main = await listen(application, settings, tls.public, { shared }).catch(refused('listen', settings.listen))
  const own = await ownAdmin(admin, settings, tls).catch(async (error: unknown) => {
    await main.close()
    throw error
  })
  const { address, port } = main
  const { host } = settings.listen
  const url = `${tls.public === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    url,
    address,
    port,
    adminPort: own?.port,
    useTls(next) {
      main.useTls(next.public)
      own?.useTls(next.admin)
    },
    close: async () => void (await Promise.all([main.close(), own?.close()])),
  }
}

/** @returns undefined: the admin API has no listener of its own @throws TrustError BAD_SETTINGS */
async function ownAdmin(admin: App, settings: Settings, tls: ListenerTls): Promise<Listening | undefined> {
  const place = settings.admin.listen
  if (place === undefined) return undefined
  const own = { ...settings, listen: { ...settings.listen, ...place } }
  return listen(admin, own, tls.admin).catch(refused('admin.listen', place))
}

/** What the system's error codes mean. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else is already listening there',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  ENOTFOUND: 'that name has no address',
  EAI_AGAIN: 'that name cannot be resolved',
  EACCES: 'the system reserves that port for root',
}

function refused(setting: 'listen' | 'admin.listen', { host, port }: { host: string; port: number }) {
  return (cause: NodeJS.ErrnoException): never => {
    if (cause.code === undefined) throw cause
    const reason = REASONS[cause.code] ?? cause.code
    const names = [`${setting}.host`, `${setting}.port`]
    throw new TrustError('BAD_SETTINGS', `cannot listen on ${host}:${port}: ${reason}`, {
      hint: `set ${names.join(' and ')} (${names.map(variableOf).join(', ')})`,
      cause,
    })
  }
}
