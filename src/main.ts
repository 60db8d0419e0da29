import './memory/buffer-pool.ts'
import { Passwords } from './access/passwords.ts'
import { LOCAL } from './access/permission.ts'
import { accessOf, readTokenKeys } from './authentication.ts'
import { controlSocket, isServerListening, isStaleSocket } from './control-socket.ts'
import { signerOf, tokenOf } from './custody.ts'
import { authenticateAdmin } from './http/admin/authenticate.ts'
import { listenOnSocket } from './http/admin/socket.ts'
import type { Authenticate } from './http/admin/state.ts'
import { createApp, type App } from './http/app.ts'
import { gateOf } from './http/authorize.ts'
import { clientAddresses } from './http/client-address.ts'
import { lazyApp } from './http/lazy-app.ts'
import { createMetrics } from './http/metrics/metrics.ts'
import { overviewOf } from './http/overview.ts'
import { TOKEN_PATH } from './http/token.ts'
import { createLog, type Log } from './log/log.ts'
import { prepare, prepareTls } from './prepare.ts'
import type { Trust } from './repository/trust.ts'
import { startBackground, reportDamage } from './server/background.ts'
import { followTls, listenerTlsOf, warnOfOpenKeys, type ListenerTls } from './server/listener-tls.ts'
import { startListening } from './server/listeners.ts'
import { followTokenKeys } from './server/token-keys-file.ts'
import { webhookOf } from './server/webhook.ts'
import type { Settings } from './settings/schema.ts'
import type { FaultHook } from './store/commit/committer.ts'
import { clockFault } from './store/journal.ts'
import { openStore, type LevelStore } from './store/level-store.ts'
import { whenUnlocked, type Waiting } from './store/when-unlocked.ts'
import { answersToThreads } from './threads/answers.ts'
import { Checks } from './threads/checks.ts'
import { Shared } from './threads/shared.ts'
import { Threads, threadsOf } from './threads/threads.ts'
import { trustOver } from './trust.ts'
import { worldOver } from './world.ts'

/** Replacements for defaults; all but the log are for tests. */
interface Overrides {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly log?: Log
  /** Makes writes fail. */
  readonly faults?: FaultHook
}

/** A running server. */
export interface Running {
  readonly url: string
  readonly port: number
  /** Port of the admin API, if it has a listener of its own. */
  readonly adminPort: number | undefined
  readonly trust: Trust
  readonly store: LevelStore
  /** What a first start made, in words. */
  readonly made: readonly string[]
  /** Resolves when all threads answer; until then, those that are ready do. */
  readonly allThreads: Promise<void>
  /** Finishes running requests, then closes the store. */
  close(): Promise<void>
}

/**
 * Starts a server: wires everything and listens. Anything unusable is an error: there is no degraded start.
 *
 * @throws TrustError BAD_KEYS, BAD_TLS, BAD_SETTINGS, DATA_…
 */
export async function serve(configured: Settings, overrides: Overrides = {}): Promise<Running> {
  const opened = await open(configured, overrides)
  try {
    const tls = await mustBeUsable(opened)
    return await start(opened, tls, await wire(opened))
  } catch (error) {
    await Promise.all([opened.signer.close(), opened.store.close()])
    throw error
  }
}

type Opened = Awaited<ReturnType<typeof open>>
type Wired = Awaited<ReturnType<typeof wire>>

/** Opens keys and store; a first start makes them. */
async function open(configured: Settings, overrides: Overrides) {
  const { now = Date.now, log = createLog(configured.logLevel), faults } = overrides
  // A test's own clock exists only in this thread.
  const count = overrides.now === undefined ? threadsOf(configured) : 1
  const settings = forEachThread(configured, count)
  // Wait for a command that was started before we listen; another server would not end.
  const waiting: Waiting = {
    onWait: () => log.warn({}, 'waiting for another process to let go of the database'),
    isFutile: () => isServerListening(controlSocket(settings)),
  }
  const { keys, made } = await prepare(settings, waiting, now())
  const shared = new Shared()
  const threads = new Threads()
  const checks = new Checks()
  const openIt = (): Promise<LevelStore> =>
    openStore({
      directory: settings.dataDirectory,
      anchorFile: settings.anchorFile,
      anchorKey: keys.anchorKey,
      moved: ({ number }) => (shared.journalEnd = number),
      writes: shared.writes,
      others: [threads.handles, checks],
      faults,
    })
  // The last server may have died of damage that it read, as this one would at once.
  if (await isStaleSocket(controlSocket(settings))) await reportDamage(settings.dataDirectory, log)
  const store = await whenUnlocked(openIt, waiting)
  const token = tokenOf(settings)
  const signer = signerOf(settings, keys, token)
  return { settings, now, log, count, keys, made, shared, threads, checks, store, token, signer }
}

/** Ends the start if something is unusable; logs what is unusable only for now. @returns what TLS listeners serve */
async function mustBeUsable({ settings, now, log, made, store, signer }: Opened): Promise<ListenerTls> {
  made.push(...(await prepareTls(settings, now())))
  const tls = await listenerTlsOf(settings, now())
  if (tls.admin !== undefined) await warnOfOpenKeys(settings, log)
  await signer.start()
  const custody = signer.readiness()
  if (!custody.usable) log.warn({ reason: custody.reason }, 'some keys cannot be used')
  const clock = clockFault(store.tail(), now())
  if (clock !== undefined) log.warn({ reason: clock }, 'nothing is signed with a clock that went back')
  return tls
}

/** Creates what answers requests, and the state that it works on. */
async function wire(opened: Opened) {
  const { settings, now, log, count, keys, shared, threads, checks, store, token, signer } = opened
  const trust = trustOver(settings, { store, signer, log, now }, count > 1 ? shared.locks : undefined)
  const metrics = createMetrics(trust, settings.dataDirectory)
  /** State that changes. The default realm is our own address, which may be known only after listening. */
  const state = { accepting: true, realm: settings.access.realm }
  const accepting = (): boolean => state.accepting
  const overview = overviewOf(trust, metrics.registry, accepting, () => threads.counted())
  const passwords = new Passwords(store, now)
  const tokenKeys = await readTokenKeys(settings)
  const tokenKey = settings.access.mode === 'built-in' ? await keys.tokenKey() : undefined
  const recognition = accessOf(settings, { tokenKeys, tokenKey, directory: store, passwords, now, log, metrics })
  const { access } = recognition
  const app = createApp({
    trust,
    settings,
    metrics,
    overview,
    accepting,
    gate: gateOf(settings.access, access, () => state.realm ?? ''),
    parked: shared.parked,
    publishing: shared.publishing,
  })
  const answers = answersToThreads({ store, passwords, overview, token, log })
  const toCheck = { settings, keyring: keys.shared }
  const over = worldOver(settings, trust, store, signer)
  const world = {
    ...over,
    async backUp(directory: string, gone?: AbortSignal) {
      const copied = await over.backUp(directory, gone)
      metrics.backup()
      return copied
    },
    check: (gone?: () => AbortSignal) => checks.check(toCheck, answers, now, gone?.()),
  }
  const clients = clientAddresses(settings.listen.trustedProxies)
  const { parkedBytes, tokenBytes } = settings.limits
  const adminFor = (authenticate: Authenticate): App =>
    lazyApp(
      async () => (await import('./http/admin/app.ts')).adminApp(world, authenticate, clients, metrics, parkedBytes),
      (error) => log.error({ err: error }, 'the admin API cannot be loaded'),
    )
  const control = adminFor(async () => LOCAL)
  const admin = adminFor(authenticateAdmin(access, clients, tokenBytes, now))
  return { world, metrics, answers, tokenKeys, tokenKey, recognition, state, app, control, admin }
}

/** Listens in all threads, and starts the background loops. */
async function start(opened: Opened, tls: ListenerTls, wired: Wired): Promise<Running> {
  const { settings, now, log, count, keys, made, shared, threads, checks, store, signer } = opened
  const { world, metrics, answers, tokenKeys, tokenKey, recognition, state, app, control, admin } = wired
  const { trust } = world
  const closing = new AbortController()
  const webhook = await webhookOf(settings, trust, metrics, closing.signal)
  const closeControl = await listenOnSocket(controlSocket(settings), control, settings.shutdownSeconds)
  const listening = await startListening(app, admin, settings, tls, count > 1).catch(async (error: unknown) => {
    await closeControl()
    throw error
  })
  const { url, port, adminPort, address } = listening
  const realm = (state.realm ??= `${url}${TOKEN_PATH}`)
  const allThreads = threads.start(
    count - 1,
    {
      settings: { ...settings, listen: { ...settings.listen, host: address, port } },
      tls: tls.public,
      realm,
      shared: shared.buffer,
      keyring: keys.shared,
      tokenKeys,
      tokenKey: tokenKey?.privateKey,
    },
    answers,
  )
  const background = startBackground(world, settings, metrics, webhook)
  const interval = settings.renewIntervalSeconds * 1000
  const following = [
    tls.admin &&
      followTls(settings, tls, interval, { now, log }, async (next) => {
        listening.useTls(next)
        await threads.useTls(next.public)
      }),
    tokenKeys &&
      followTokenKeys(settings, tokenKeys, interval, log, async (next) => {
        recognition.useTokenKeys(next)
        await threads.useTokenKeys(next)
      }),
  ]
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
      state.accepting = false
      closing.abort()
      await Promise.all([allThreads, ...following.map((each) => each?.stop())])
      await Promise.all([listening.close(), threads.stop(), checks.stop(), closeControl(), background.stop()])
      await Promise.all([signer.close(), store.close()])
      log.info({}, 'stopped')
      log.flush?.()
    },
  }
}

/** Divides limits by the number of threads, over which connections are spread. */
function forEachThread(settings: Settings, threads: number): Settings {
  const connections = Math.ceil(settings.limits.connections / threads)
  const publishBytesInFlight = Math.ceil(settings.limits.publishBytesInFlight / threads)
  return { ...settings, limits: { ...settings.limits, connections, publishBytesInFlight } }
}
