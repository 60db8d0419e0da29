import { join } from 'node:path'
import { createApp } from './http/app.ts'
import { LOCAL } from './access/permission.ts'
import type { World } from './admin/operation.ts'
import { everythingThatEnds } from './admin/expiry.ts'
import { accessOf } from './authentication.ts'
import { signerOf } from './custody.ts'
import { adminApp } from './http/admin.ts'
import { authenticateAdmin } from './http/admin-authenticate.ts'
import { listenOnSocket } from './http/admin-socket.ts'
import { createMetrics } from './http/metrics.ts'
import { TOKEN_PATH } from './http/token.ts'
import { listenerTlsOf, serverCertificates, startListening } from './listeners.ts'
import { createLog } from './log.ts'
import { prepare } from './prepare.ts'
import { startWatchingExpiry, type Ending } from './repository/expiry.ts'
import { startRenewing } from './repository/renew-loop.ts'
import { createTrust, type Log, type Trust } from './repository/trust.ts'
import type { Settings } from './settings-schema.ts'
import type { RoutedSigner } from './signing/routed-signer.ts'
import type { Signer } from './signing/signer.ts'
import { openStore, type LevelStore } from './store/level.ts'
import { webhookOf } from './webhook.ts'

/** What tests put in place of the real thing. */
export interface Overrides {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly random?: () => number
  readonly log?: Log
}

/** A server that answers. */
export interface Running {
  readonly url: string
  readonly port: number
  /** Of the admin API, where it has a listener of its own. */
  readonly adminPort: number | undefined
  readonly trust: Trust
  readonly store: LevelStore
  /** What a first start made, in words. */
  readonly made: readonly string[]
  /** Finish what is running, then close the store. */
  close(): Promise<void>
}

const DAY = 86_400_000

/**
 * Wire everything and listen. Whatever cannot be used is an error: there is no degraded start.
 *
 * @throws TrustError BAD_KEYS, BAD_TLS, BAD_SETTINGS, DATA_…
 */
export async function serve(settings: Settings, overrides: Overrides = {}): Promise<Running> {
  const now = overrides.now ?? Date.now
  const log = overrides.log ?? createLog(settings.logLevel)
  const { keys, made } = await prepare(settings, now())
  const tls = await listenerTlsOf(settings, now())
  const store = await openStore({
    directory: settings.dataDirectory,
    anchorFile: settings.anchorFile,
    anchorKey: keys.anchorKey,
  })
  const signer = signerOf(settings, keys)
  try {
    await signer.start()
    const custody = signer.readiness()
    if (!custody.usable) log.warn({ reason: custody.reason }, 'some keys cannot be used')
    const trust = trustOver(settings, store, signer, { ...overrides, now, log })
    const metrics = createMetrics(trust)
    let accepting = true
    const access = await accessOf(settings, { keys, directory: store, now, log })
    // The default is where we listen, which may be known only then.
    let { realm } = settings.access
    const { mode, service, publicReads } = settings.access
    const gate = { access, publicReads, realm: () => ({ realm: realm ?? '', service }) }
    const app = createApp(trust, settings, metrics, () => accepting, mode === 'none' ? undefined : gate)
    const world = worldOver(settings, trust, store, signer)
    const closing = new AbortController()
    const webhook = await webhookOf(settings, trust, metrics, closing.signal)
    const closeControl = await listenOnSocket(
      controlSocket(settings),
      adminApp(world, async () => LOCAL),
    )
    const admin = adminApp(world, authenticateAdmin(access, settings.limits.tokenBytes, now))
    const listening = await startListening(app, admin, settings, tls).catch(async (error: unknown) => {
      await closeControl()
      throw error
    })
    const { url, port, adminPort } = listening
    realm ??= `${url}${TOKEN_PATH}`
    const renewing = startRenewing(trust, settings.renewIntervalSeconds * 1000, (counts) => metrics.renewals(counts))
    const look = (until: number): Promise<Ending[]> => everythingThatEnds(world, until)
    const watching = startWatchingExpiry(trust, DAY, look, async (found) => {
      metrics.endings(found)
      await webhook?.(found)
    })
    log.info({ url, commits: store.tail().number }, 'ready')
    log.flush?.()
    return {
      url,
      port,
      adminPort,
      trust,
      store,
      made,
      async close() {
        accepting = false
        closing.abort()
        await Promise.all([listening.close(), closeControl(), renewing.stop(), watching.stop()])
        await Promise.all([signer.close(), store.close()])
        log.info({}, 'stopped')
      },
    }
  } catch (error) {
    await Promise.all([signer.close(), store.close()])
    throw error
  }
}

/** What operations work on. */
export function worldOver(settings: Settings, trust: Trust, store: LevelStore, signer: RoutedSigner): World {
  return {
    trust,
    store,
    opens: (...key) => signer.opens(...key),
    certificates: () => serverCertificates(settings),
    keyAge: settings.rotation.keyAgeDays === undefined ? undefined : settings.rotation.keyAgeDays * DAY,
    rehearsalSigner: signer.rehearsing(),
  }
}

/** Where the command line reaches a running server. */
export function controlSocket(settings: Settings): string {
  return join(settings.dataDirectory, 'control.sock')
}

/** The verbs' world, from settings. */
export function trustOver(
  settings: Settings,
  store: LevelStore,
  signer: Signer,
  { now = Date.now, random = Math.random, log = createLog(settings.logLevel) }: Overrides,
): Trust {
  const policy = {
    timestampLife: settings.timestampLifeDays * DAY,
    snapshotLife: settings.snapshotLifeDays * DAY,
    publishesWaitingPerGun: settings.limits.publishesWaitingPerGun,
  }
  return createTrust({ store, signer, now, random, policy, log })
}
