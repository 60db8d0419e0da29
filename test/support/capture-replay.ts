import { createApp } from '../../src/http/app.ts'
import { newCount, newCounts } from '../../src/http/count.ts'
import { createMetrics } from '../../src/http/metrics/metrics.ts'
import { overviewOf } from '../../src/http/overview.ts'
import { listen, type Listening } from '../../src/http/server.ts'
import { newDocument, stateOf } from '../../src/repository/compose.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { PLAIN_HTTP_WORDS, settingsSchema, type HttpSettings } from '../../src/settings/schema.ts'
import type { Commit, Head } from '../../src/store/store.ts'
import { checksumsOf } from '../../src/tuf/checksum.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { parseMetadata, type Metadata } from '../../src/tuf/metadata.ts'
import { parseRole, type ServerRole } from '../../src/tuf/role.ts'
import { parseRoot } from '../../src/tuf/root.ts'
import { differencesOf, type Comparison, type Difference } from './capture-comparison.ts'
import { answeredDocument, recordedGun, requestBody, signedOf, uploadedDocuments, type Recorded } from './captures.ts'
import { exchange, type Answer, type Endpoint } from './exchange.ts'
import { openLocalTrust, TEST_ACTOR, type LocalTrust } from './local-trust.ts'
import { recordedKey, type RecordedSigner } from './recorded-signer.ts'
import type { KeyEntry } from './test-key.ts'

/** Sends the recorded requests, at their recorded times, to a server in this process. */
export class CaptureReplay implements Endpoint, Comparison {
  readonly url: string
  readonly trust: Trust
  readonly #uploaded = new Set<string>()
  readonly #signer: RecordedSigner
  readonly #local: LocalTrust
  readonly #listening: Listening

  private constructor(trust: Trust, signer: RecordedSigner, local: LocalTrust, listening: Listening) {
    this.url = `http://localhost:${listening.port}`
    this.trust = trust
    this.#signer = signer
    this.#local = local
    this.#listening = listening
  }

  static async start(signer: RecordedSigner): Promise<CaptureReplay> {
    const local = await openLocalTrust(0)
    const trust: Trust = { ...local.trust, signer }
    const settings: HttpSettings = settingsSchema.parse({ listen: { port: 0, plainHttp: PLAIN_HTTP_WORDS } })
    const metrics = createMetrics(trust, local.directory)
    const accepting = (): boolean => true
    const overview = overviewOf(trust, metrics.registry, accepting, async () => [])
    const counts = { parked: newCounts(), publishing: newCount() }
    const app = createApp({ trust, settings, metrics, overview, accepting, ...counts })
    return new CaptureReplay(trust, signer, local, await listen(app, settings, undefined))
  }

  async close(): Promise<void> {
    await this.#listening.close()
    await this.#local.close()
  }

  /** Replays a request. @returns how our response differs */
  async replay(recorded: Recorded): Promise<Difference[]> {
    return differencesOf(recorded, await this.answer(recorded), this)
  }

  async answer(recorded: Recorded): Promise<Answer> {
    const { request, response } = recorded
    this.#local.clock.now = Math.max(this.#local.clock.now, Date.parse(response.headers['Date'] ?? ''))
    this.#signer.next = recordedPublicKey(recorded)
    for (const { role, bytes } of uploadedDocuments(recorded))
      this.#uploaded.add(`${role} ${checksumsOf(bytes).sha256}`)
    const body = requestBody(recorded)
    const headers = { ...request.headers }
    delete headers['Host']
    delete headers['Content-Length']
    delete headers['Transfer-Encoding']
    return exchange(this, {
      method: request.method,
      path: this.#ourPath(recorded),
      headers,
      ...(body === undefined ? {} : { body }),
    })
  }

  /**
   * Imports what the recorded server had stored before a recording, as far as the recording shows it: the documents in
   * its responses.
   */
  async importState(recording: readonly Recorded[]): Promise<void> {
    const documents = new Map<string, Metadata>()
    for (const document of recording.map(answeredDocument)) {
      if (document === undefined || documents.has(document.role)) continue
      documents.set(document.role, parseMetadata(parseRole(document.role), document.bytes))
    }
    const all = [...documents.values()]
    await this.#commit(recording, (head) => ({
      kind: 'publish',
      head: {
        roles: { ...head.roles, ...Object.fromEntries(all.map((document) => [document.role, stateOf(document)])) },
        highest: { ...head.highest, ...Object.fromEntries(all.map(({ role, version }) => [role, version])) },
      },
      documents: all.map(newDocument),
      keys: [],
    }))
  }

  /** Imports keys that the recorded server had made before a recording: those that a root names. */
  async importKeys(recording: readonly Recorded[], rootBytes: Uint8Array, roles: readonly ServerRole[]): Promise<void> {
    const root = parseRoot(parseMetadata('root', rootBytes))
    for (const role of roles) {
      for (const { public: text } of root.roles[role].keys.values()) {
        const key = { ...recordedKey(this.#signer.algorithm(), text), role, pending: true, createdAt: 0 }
        await this.#commit(recording, (head) => ({ kind: 'key', head, documents: [], keys: [key] }))
      }
    }
  }

  async #commit(
    recording: readonly Recorded[],
    change: (head: Pick<Head, 'roles' | 'highest'>) => Pick<Commit, 'kind' | 'documents' | 'keys'> & {
      head: Pick<Head, 'roles' | 'highest'>
    },
  ): Promise<void> {
    const gun = parseGun(recording.map(recordedGun).find((name) => name !== undefined) ?? '')
    const head = this.trust.store.head(gun)
    const changed = change(head ?? { roles: {}, highest: {} })
    await this.trust.store.commit({
      ...changed,
      gun,
      expected: head?.revision ?? 0,
      actor: TEST_ACTOR,
      time: Date.parse(recording[0]?.response.headers['Date'] ?? ''),
      head: { roles: changed.head.roles, highest: changed.head.highest, renewAt: null },
    })
  }

  /** True for a document that the recorded client made: ours must be identical. */
  isUploaded(role: string, sha256: string): boolean {
    return this.#uploaded.has(`${role} ${sha256}`)
  }

  /** True if our store has this snapshot. */
  isStored(gun: string, role: 'snapshot', sha256: string): boolean {
    return this.trust.store.document(parseGun(gun), role, { sha256 }) !== undefined
  }

  /** Returns the path for our server, where a server-made snapshot has another checksum. */
  #ourPath(recorded: Recorded): string {
    const { path } = recorded.request
    const document = answeredDocument(recorded)
    const gun = recordedGun(recorded)
    if (document?.role !== 'snapshot' || gun === undefined || !/\.[0-9a-f]{64}\.json$/.test(path)) return path
    const ours = this.trust.store.document(parseGun(gun), 'snapshot', { version: signedOf(document.bytes).version })
    return ours === undefined ? path : path.replace(/[0-9a-f]{64}/, ours.sha256)
  }
}

function recordedPublicKey({ request, response }: Recorded): string | undefined {
  if (!request.path.endsWith('.key') || response.status !== 200) return undefined
  return (JSON.parse(response.body ?? '') as KeyEntry).keyval.public
}
