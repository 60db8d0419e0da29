import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseMultipart } from '../../src/http/multipart.ts'

/** One recorded request with the response of Notary's Go server. */
export interface Recorded {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
    readonly bodyBase64?: string
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  }
  /** `token` for entries that a token server answered. */
  readonly server?: string
}

/** A document in a recording. */
interface RecordedDocument {
  readonly role: string
  readonly bytes: Buffer
}

const DIRECTORY = join(import.meta.dirname, '../vectors/notary-captures')
const NO_LIMITS = { partBytes: Infinity, parts: Infinity, partHeaderBytes: Infinity }

/** Returns the names of all recorded conversations, without `.json`. */
export function captureNames(): string[] {
  return readdirSync(DIRECTORY)
    .filter((name) => name.endsWith('.json') && !name.endsWith('.keys.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .toSorted()
}

/** Reads a recording. */
export function readCapture(name: string): Recorded[] {
  return JSON.parse(readFileSync(join(DIRECTORY, `${name}.json`), 'utf8')) as Recorded[]
}

/** A private key of the recorded server, as Notary's signer stores it (wire spec §18.2). */
interface RecordedKey {
  readonly algorithm: string
  readonly public: string
  readonly jwe: string
  readonly passphrase: string
}

/** Reads the private keys that belong to a recording. */
export function readCaptureKeys(name: string): RecordedKey[] {
  return JSON.parse(readFileSync(join(DIRECTORY, `${name}.keys.json`), 'utf8')) as RecordedKey[]
}

/** Returns the GUN of a recorded request; undefined for a ping and the like. */
export function recordedGun({ request: { path } }: Recorded): string | undefined {
  return /^\/v2\/+(.+)\/_trust\//.exec(decodeURIComponent(path.split('?')[0] ?? ''))?.[1]
}

/** Returns the bytes of a recorded request body. */
export function requestBody({ request: { body, bodyBase64 } }: Recorded): Buffer | undefined {
  if (bodyBase64 !== undefined) return Buffer.from(bodyBase64, 'base64')
  return body === undefined ? undefined : Buffer.from(body)
}

/** Returns the documents that a recorded request uploads; none if it is no upload, or malformed. */
export function uploadedDocuments(recorded: Recorded): RecordedDocument[] {
  const body = requestBody(recorded)
  const type = recorded.request.headers['Content-Type'] ?? ''
  if (body === undefined || !type.startsWith('multipart/')) return []
  return parseMultipart(type, body, NO_LIMITS).flatMap(({ filename, bytes }) =>
    filename === undefined ? [] : [{ role: filename, bytes: Buffer.from(bytes) }],
  )
}

/** Returns the document in a recorded response, with the requested role. */
export function answeredDocument(recorded: Recorded): RecordedDocument | undefined {
  const [, role] = /\/_trust\/tuf\/(?:\d+\.)?([^.]+)(?:\.[0-9a-f]{64})?\.json$/.exec(recorded.request.path) ?? []
  const { status, body } = recorded.response
  if (role === undefined || status !== 200 || recorded.request.method !== 'GET' || body === undefined) return undefined
  return { role, bytes: Buffer.from(body) }
}

/** Returns the signed part of a document that is known to be JSON. */
export function signedOf(
  bytes: Uint8Array,
): Record<string, unknown> & { _type: string; version: number; expires: string } {
  return (JSON.parse(Buffer.from(bytes).toString('utf8')) as { signed: ReturnType<typeof signedOf> }).signed
}
