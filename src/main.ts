import { join } from 'node:path'
import { TrustError } from './errors.ts'
import { createHandler } from './http/app.ts'
import { LOCAL } from './access/permission.ts'
import type { World } from './admin/operation.ts'
import { adminApp } from './http/admin.ts'
import { listenOnSocket } from './http/admin-socket.ts'
import { createMetrics } from './http/metrics.ts'
import { listen } from './http/server.ts'
import { createLog } from './log.ts'
import { prepare } from './prepare.ts'
import { startWatchingExpiry } from './repository/expiry.ts'
import { startRenewing } from './repository/renew-loop.ts'
import { createTrust, type Log, type Trust } from './repository/trust.ts'
import type { Settings } from './settings-schema.ts'
import type { Signer } from './signing/signer.ts'
import { loadTls, tlsFiles, type TlsIdentity } from './signing/tls-identity.ts'
import { openStore, type LevelStore } from './store/level.ts'

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
  const tls = await tlsOf(settings, now())
  const store = await openStore({
    directory: settings.dataDirectory,
    anchorFile: settings.anchorFile,
    anchorKey: keys.anchorKey,
  })
  try {
    const signer = keys.signer(settings.keyAlgorithm)
    const trust = trustOver(settings, store, signer, { ...overrides, now, log })
    const metrics = createMetrics(trust)
    let accepting = true
    const answer = createHandler(trust, settings, metrics, () => accepting)
    const world: World = { trust, store, opens: (owner, sealed) => signer.opens(owner, sealed) }
    const closeControl = await listenOnSocket(
      controlSocket(settings),
      adminApp(world, async () => LOCAL),
    )
    const listening = await listen(answer, settings, tls).catch(async (error: unknown) => {
      await closeControl()
      throw listenError(error, settings)
    })
    const renewing = startRenewing(trust, settings.renewIntervalSeconds * 1000, (counts) => metrics.renewals(counts))
    const watching = startWatchingExpiry(trust, DAY, (found) => metrics.endings(found))
    const { host } = settings.listen
    const url = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${listening.port}`
    log.info({ url, commits: store.tail().number }, 'ready')
    return {
      url,
      port: listening.port,
      trust,
      store,
      made,
      async close() {
        accepting = false
        await Promise.all([listening.close(), closeControl(), renewing.stop(), watching.stop()])
        await store.close()
        log.info({}, 'stopped')
      },
    }
  } catch (error) {
    await store.close()
    throw error
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

async function tlsOf(settings: Settings, now: number): Promise<TlsIdentity | undefined> {
  if (settings.listen.plainHttp !== undefined) return undefined
  const made = tlsFiles(settings.keysDirectory)
  return loadTls(settings.tls.certificateFile ?? made.certificate, settings.tls.keyFile ?? made.key, now)
}

function listenError(error: unknown, { listen: { host, port } }: Settings): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) return error
  const reason = code === 'EADDRINUSE' ? 'something else listens there' : code
  return new TrustError('BAD_SETTINGS', `cannot listen on ${host}:${port}: ${reason}`, {
    hint: 'set listen.host and listen.port (COUNTERSIGN_LISTEN_PORT)',
    cause: error,
  })
}
