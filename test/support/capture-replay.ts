import { createApp } from '../../src/http/app.ts'
import { createMetrics } from '../../src/http/metrics.ts'
import { listen, type Listening } from '../../src/http/server.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { PLAIN_HTTP_WORDS, settingsSchema } from '../../src/settings-schema.ts'
import type { RoleState } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { parseMetadata } from '../../src/tuf/metadata.ts'
import { parseRole, type ServerRole } from '../../src/tuf/role.ts'
import { differencesOf, type Comparison, type Difference } from './capture-comparison.ts'
import { answeredDocument, recordedGun, requestBody, signedOf, uploadedDocuments, type Recorded } from './captures.ts'
import { exchange, type Answer, type Endpoint } from './exchange.ts'
import { openLocalTrust, TEST_ACTOR, type LocalTrust } from './local-trust.ts'
import { recordedKey, type RecordedSigner } from './recorded-signer.ts'
import type { KeyEntry } from './test-key.ts'

/** The server in this process, asked what the recorded server was asked, at the recorded time. */
export class CaptureReplay implements Endpoint, Comparison {
  readonly url: string
  readonly trust: Trust
  readonly uploaded = new Set<string>()
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
    const { anchorFile = '', ...settings } = settingsSchema.parse({ listen: { port: 0, plainHttp: PLAIN_HTTP_WORDS } })
    const app = createApp(trust, { ...settings }, createMetrics(trust))
    return new CaptureReplay(trust, signer, local, await listen(app, { ...settings }, undefined))
  }

  async close(): Promise<void> {
    await this.#listening.close()
    await this.#local.close()
  }

  /** Ask what was asked. @returns in what our answer differs */
  async replay(recorded: Recorded): Promise<Difference[]> {
    return differencesOf(recorded, await this.answer(recorded), this)
  }

  async answer(recorded: Recorded): Promise<Answer> {
    const { request, response } = recorded
    this.#local.clock.now = Math.max(this.#local.clock.now, Date.parse(response.headers['Date'] ?? ''))
    this.#signer.next = recordedPublicKey(recorded)
    for (const { role, bytes } of uploadedDocuments(recorded)) this.uploaded.add(`${role} ${checksum(role, bytes)}`)
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

  /** Take over what the recorded server had stored before the recording: the documents that it answers with. */
  async importState(conversation: readonly Recorded[]): Promise<void> {
    const documents = new Map<string, Buffer>()
    for (const recorded of conversation) {
      const document = answeredDocument(recorded)
      if (document !== undefined && !documents.has(document.role)) documents.set(document.role, document.bytes)
    }
    const gun = parseGun(conversation.map(recordedGun).find((name) => name !== undefined) ?? '')
    const metadata = [...documents].map(([role, bytes]) => parseMetadata(parseRole(role), bytes))
    const roles = Object.fromEntries(
      metadata.map(({ role, version, checksums, expires }): [string, RoleState] => [
        role,
        { version, ...checksums, expires: Math.floor(expires) },
      ]),
    )
    const time = Date.parse(conversation[0]?.response.headers['Date'] ?? '')
    await this.trust.store.commit({
      gun,
      expected: this.trust.store.head(gun)?.revision ?? 0,
      kind: 'publish',
      actor: TEST_ACTOR,
      time,
      head: { roles, highest: Object.fromEntries(metadata.map(({ role, version }) => [role, version])), renewAt: null },
      documents: metadata.map(({ role, version, bytes, checksums: { sha256 } }) => ({ role, version, bytes, sha256 })),
      keys: [],
    })
  }

  /** Take over keys that the recorded server had made before the recording: those that a root names. */
  async importKeys(gun: string, rootBytes: Uint8Array, serverRoles: readonly ServerRole[]): Promise<void> {
    const root = signedOf(rootBytes) as unknown as {
      keys: Record<string, KeyEntry>
      roles: Record<string, { keyids: string[] }>
    }
    const name = parseGun(gun)
    for (const role of serverRoles) {
      for (const id of root.roles[role]?.keyids ?? []) {
        const key = recordedKey(this.#signer.algorithm, root.keys[id]?.keyval.public ?? '')
        const { roles = {}, highest = {}, renewAt = null, revision = 0 } = this.trust.store.head(name) ?? {}
        await this.trust.store.commit({
          gun: name,
          expected: revision,
          kind: 'key',
          actor: TEST_ACTOR,
          time: 0,
          head: { roles, highest, renewAt },
          documents: [],
          keys: [{ ...key, role, pending: true, createdAt: 0 }],
        })
      }
    }
  }

  /** True for a document that the recorded client made: then ours must be the same to the byte. */
  isUploaded(role: string, sha256: string): boolean {
    return this.uploaded.has(`${role} ${sha256}`)
  }

  /** True if our store has such a snapshot. */
  isStored(gun: string, role: 'snapshot', sha256: string): boolean {
    return this.trust.store.document(parseGun(gun), role, { sha256 }) !== undefined
  }

  /** A snapshot that the server made has another checksum here: it is asked for by the one that ours has. */
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

function checksum(role: string, bytes: Uint8Array): string {
  try {
    return parseMetadata(parseRole(role), bytes).checksums.sha256
  } catch {
    return 'not metadata'
  }
}
