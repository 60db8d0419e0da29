import '../memory/buffer-pool.ts'
import { flushCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { accessOf, type Recognition } from '../authentication.ts'
import { createApp } from '../http/app.ts'
import { gateOf } from '../http/authorize.ts'
import { Registry } from '../http/metrics/prometheus.ts'
import { requestMetrics } from '../http/metrics/requests.ts'
import { listen, type Listening } from '../http/server.ts'
import { bufferedLines, type BufferedLines } from '../log/lines.ts'
import { createLog } from '../log/log.ts'
import { tokenKeyOf } from '../signing/token-key.ts'
import { openSharedStore, type SharedStore } from '../store/shared-store.ts'
import { trustOver } from '../trust.ts'
import { Channel } from './channel.ts'
import type { MainAnswers, ThreadAnswers, ThreadStart } from './messages.ts'
import { packaged } from './packaged.ts'
import { remoteSignerFor } from './remote-signer.ts'
import { Shared } from './shared.ts'

/**
 * A thread that answers requests beside the main one, on the same port. It does TLS, checks and signatures itself, and
 * sends what must be written to the main thread. It reads heads from the database, so no thread has to announce a change.
 */
if (parentPort === null) throw new Error('this is not a program of its own')
const start = workerData as ThreadStart
const { settings, tls, realm, keyring } = start
const shared = new Shared(start.shared)
const registry = new Registry()
let accepting = true

const running = Promise.withResolvers<Running>()
const main = new Channel<MainAnswers>(parentPort, {
  async started() {
    await running.promise
    // As in the main thread.
    flushCompileCache()
  },
  release: async () => (await running.promise).store.release(),
  regain: async () => (await running.promise).store.regain(),
  counted: () => registry.getMetricsAsJSON(),
  useTls: async (renewed) => (await running.promise).listening.useTls(renewed),
  useTokenKeys: async (bytes) => (await running.promise).recognition.useTokenKeys(bytes),
  async stop() {
    accepting = false
    const { listening, store, lines } = await running.promise
    await listening.close()
    await store.close()
    lines.flush()
  },
} satisfies ThreadAnswers)
run().then(running.resolve, running.reject)

interface Running {
  readonly store: SharedStore
  readonly listening: Listening
  readonly recognition: Recognition
  readonly lines: BufferedLines
}

async function run(): Promise<Running> {
  const lines = bufferedLines((text) => void main.ask('log', [text]))
  const log = createLog(settings.logLevel, lines)
  const store = await openSharedStore(
    settings.dataDirectory,
    () => shared.journalEnd,
    shared.writes,
    (commit) => {
      const { content, transfer } = packaged(commit)
      return main.ask('commit', [content], transfer)
    },
  )
  const trust = trustOver(settings, { store, signer: remoteSignerFor(settings, keyring, main), log }, shared.locks)
  const metrics = requestMetrics(registry)
  const recognition = accessOf(settings, {
    tokenKeys: start.tokenKeys,
    tokenKey: start.tokenKey && tokenKeyOf(start.tokenKey),
    directory: store,
    passwords: { check: (...given) => main.ask('checkPassword', given) },
    now: Date.now,
    log,
    metrics,
  })
  const app = createApp({
    trust,
    settings,
    metrics,
    overview: { unready: () => main.ask('unready', []), metrics: () => main.ask('metrics', []) },
    accepting: () => accepting,
    gate: gateOf(settings.access, recognition.access, () => realm),
    parked: shared.parked,
    publishing: shared.publishing,
  })
  return { store, listening: await listen(app, settings, tls, { shared: true }), recognition, lines }
}
