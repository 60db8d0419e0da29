import './buffer-pool.ts'
import { join } from 'node:path'
import { createApp, type App } from './http/app.ts'
import { LOCAL } from './access/permission.ts'
import type { World } from './admin/operation.ts'
import { everythingThatEnds } from './admin/expiry.ts'
import { Passwords } from './access/passwords.ts'
import { accessOf } from './authentication.ts'
import { signerOf, tokenOf } from './custody.ts'
import type { Authenticate } from './http/admin-state.ts'
import { authenticateAdmin } from './http/admin-authenticate.ts'
import { listenOnSocket } from './http/admin-socket.ts'
import { lazyApp } from './http/lazy-app.ts'
import { createMetrics } from './http/metrics.ts'
import { overviewOf } from './http/overview.ts'
import { TOKEN_PATH } from './http/token.ts'
import { listenerTlsOf, serverCertificates, startListening } from './listeners.ts'
import { createLog } from './log/log.ts'
import { policyOf } from './policy.ts'
import { prepare } from './prepare.ts'
import { startWatchingExpiry, type Ending } from './repository/expiry.ts'
import { startRenewing } from './repository/renew-loop.ts'
import { stageAgedKeys } from './repository/rotation-policy.ts'
import { createTrust, type Log, type Trust } from './repository/trust.ts'
import type { Locks } from './repository/turns.ts'
import type { Settings } from './settings/schema.ts'
import type { RoutedSigner } from './signing/routed-signer.ts'
import type { Signer } from './signing/signer.ts'
import type { FaultHook } from './store/committer.ts'
import { openStore, type LevelStore } from './store/level.ts'
import { answersToThreads } from './threads/answers.ts'
import { Shared } from './threads/shared.ts'
import { Threads, threadsOf } from './threads/threads.ts'
import { webhookOf } from './webhook.ts'

/** What tests put in place of the real thing. */
interface Overrides {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly random?: () => number
  readonly log?: Log
  /** Makes writes fail. */
  readonly faults?: FaultHook
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
  /** Resolves when all threads answer; until then those answer that do. */
  readonly allThreads: Promise<void>
  /** Finish what is running, then close the store. */
  close(): Promise<void>
}

const DAY = 86_400_000

/**
 * Wire everything and listen. Whatever cannot be used is an error: there is no degraded start.
 *
 * @throws TrustError BAD_KEYS, BAD_TLS, BAD_SETTINGS, DATA_…
 */
export async function serve(configured: Settings, overrides: Overrides = {}): Promise<Running> {
  const now = overrides.now ?? Date.now
  const log = overrides.log ?? createLog(configured.logLevel)
  // A clock or a die of a test's own is in this thread only.
  const count = overrides.now === undefined && overrides.random === undefined ? threadsOf(configured) : 1
  const settings = forEachThread(configured, count)
  const { keys, made } = await prepare(settings, now())
  const tls = await listenerTlsOf(settings, now(), log)
  const shared = new Shared()
  const threads = new Threads()
  const store = await openStore({
    directory: settings.dataDirectory,
    anchorFile: settings.anchorFile,
    anchorKey: keys.anchorKey,
    moved: ({ number }) => (shared.journalEnd = number),
    others: threads.handles,
    ...(overrides.faults === undefined ? {} : { faults: overrides.faults }),
  })
  const token = tokenOf(settings)
  const signer = signerOf(settings, keys, token)
  try {
    await signer.start()
    const custody = signer.readiness()
    if (!custody.usable) log.warn({ reason: custody.reason }, 'some keys cannot be used')
    const trust = trustOver(settings, store, signer, { ...overrides, now, log }, count > 1 ? shared.locks : undefined)
    const metrics = createMetrics(trust)
    let accepting = true
    const overview = overviewOf(
      trust,
      metrics.registry,
      () => accepting,
      () => threads.counted(),
    )
    const passwords = new Passwords(store, now)
    const access = await accessOf(settings, { tokenKey: () => keys.tokenKey(), directory: store, passwords, now, log })
    // The default is where we listen, which may be known only then.
    let { realm } = settings.access
    const { mode, service, publicReads } = settings.access
    const app = createApp({
      trust,
      settings,
      metrics,
      overview,
      accepting: () => accepting,
      gate: mode === 'none' ? undefined : { access, publicReads, realm: () => ({ realm: realm ?? '', service }) },
      counts: { parked: shared.count('parked'), publishing: shared.count('publishing') },
    })
    const world = worldOver(settings, trust, store, signer)
    const closing = new AbortController()
    const webhook = await webhookOf(settings, trust, metrics, closing.signal)
    const adminFor = (authenticate: Authenticate): App =>
      lazyApp(async () => (await import('./http/admin.ts')).adminApp(world, authenticate))
    const closeControl = await listenOnSocket(
      controlSocket(settings),
      adminFor(async () => LOCAL),
    )
    const admin = adminFor(authenticateAdmin(access, settings.limits.tokenBytes, now))
    const listening = await startListening(app, admin, settings, tls, count > 1).catch(async (error: unknown) => {
      await closeControl()
      throw error
    })
    const { url, port, adminPort, address } = listening
    realm ??= `${url}${TOKEN_PATH}`
    const allThreads = threads.start(
      count - 1,
      {
        settings,
        host: address,
        port,
        tls: tls.public,
        realm,
        shared: shared.buffer,
        keyring: keys.shared,
        tokenKey: mode === 'built-in' ? (await keys.tokenKey()).privateKey : undefined,
      },
      answersToThreads({ store, passwords, overview, token, log }),
    )
    const renewing = startRenewing(trust, settings.renewIntervalSeconds * 1000, (counts) => metrics.renewals(counts))
    const look = async (until: number): Promise<Ending[]> => {
      if (world.keyAge !== undefined) await stageAgedKeys(trust, world.keyAge)
      return everythingThatEnds(world, until)
    }
    const watching = startWatchingExpiry(trust, DAY, look, async (found) => {
      metrics.endings(found)
      await webhook?.(found)
    })
    log.info({ url, commits: store.tail().number, threads: count }, 'ready')
    log.flush?.()
    return {
      url,
      port,
      adminPort,
      trust,
      store,
      made,
      allThreads,
      async close() {
        accepting = false
        closing.abort()
        await allThreads
        await Promise.all([listening.close(), threads.stop(), closeControl(), renewing.stop(), watching.stop()])
        await Promise.all([signer.close(), store.close()])
        log.info({}, 'stopped')
        log.flush?.()
      },
    }
  } catch (error) {
    await Promise.all([signer.close(), store.close()])
    throw error
  }
}

/** Connections are dealt out to all threads: each may have its part. */
function forEachThread(settings: Settings, threads: number): Settings {
  const connections = Math.ceil(settings.limits.connections / threads)
  return { ...settings, limits: { ...settings.limits, connections } }
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

/** The verbs' world, from settings. @param locks undefined: no other thread changes repositories */
export function trustOver(
  settings: Settings,
  store: LevelStore,
  signer: Signer,
  { now = Date.now, random = Math.random, log = createLog(settings.logLevel) }: Overrides,
  locks?: Locks,
): Trust {
  return createTrust({ store, signer, now, random, policy: policyOf(settings), log }, locks)
}
