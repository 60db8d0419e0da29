import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { answeredDocument, recordedGun, signedOf, type Recorded } from './captures.ts'
import type { Answer } from './exchange.ts'

/** A difference between our response and the recorded one. */
export interface Difference {
  /** `status`, `header etag`, `error detail`, `signed version`, `body`, … */
  readonly what: string
  readonly recorded: unknown
  readonly ours: unknown
}

/** What the comparison must know about both servers. */
export interface Comparison {
  isUploaded(role: string, sha256: string): boolean
  isStored(gun: string, role: 'snapshot', sha256: string): boolean
}

/** Headers that concern the transport of a response, not its content. */
const TRANSPORT_HEADERS = ['connection', 'keep-alive', 'date', 'content-length', 'transfer-encoding']
/** Milliseconds that expiries made at the same second of the recorded clock may differ. */
const EXPIRY_TOLERANCE = 2_000

interface Meta {
  readonly hashes: { readonly sha256: string }
  readonly length: number
}

/**
 * Compares a response with the recorded one: status, headers, and bodies byte for byte.
 *
 * Documents that the server makes and signs (timestamps, snapshots) cannot be equal byte for byte: expiry has
 * nanoseconds and ECDSA is random. For them, compares everything but signatures, and expiry to the second.
 */
export function differencesOf(recorded: Recorded, ours: Answer, comparison: Comparison): Difference[] {
  const found: Difference[] = []
  const differ = (what: string, one: unknown, other: unknown): void => {
    if (!isDeepStrictEqual(one, other)) found.push({ what, recorded: one, ours: other })
  }
  differ('status', recorded.response.status, ours.status)
  compareHeaders(recorded, ours, differ)
  const document = answeredDocument(recorded)
  const body = ours.body.toString('utf8')
  if (body === (recorded.response.body ?? '')) return found
  const server = document === undefined ? undefined : signedOf(document.bytes)
  if (document === undefined || ours.status !== 200) compareJson(recorded.response.body ?? '', body, differ)
  else if (server?.['_type'] === 'Timestamp' || server?.['_type'] === 'Snapshot') {
    const made = !comparison.isUploaded(document.role, sha256(document.bytes))
    if (made) compareMade(recorded, document.bytes, ours.body, comparison, differ)
    else differ('body', document.bytes.toString('utf8'), body)
  } else differ('body', document.bytes.toString('utf8'), body)
  return found
}

type Differ = (what: string, recorded: unknown, ours: unknown) => void

function compareHeaders(recorded: Recorded, ours: Answer, differ: Differ): void {
  const expected = new Map(Object.entries(recorded.response.headers).map(([name, text]) => [name.toLowerCase(), text]))
  for (const name of new Set([...expected.keys(), ...Object.keys(ours.headers)])) {
    if (!TRANSPORT_HEADERS.includes(name)) differ(`header ${name}`, expected.get(name), ours.headers[name])
  }
}

/** Compares errors, keys and changefeeds member by member, if both sides have the same shape. */
function compareJson(recorded: string, ours: string, differ: Differ): void {
  const [one, other] = [parsed(recorded), parsed(ours)]
  if (one?.errors !== undefined && other?.errors !== undefined) {
    differ('error count', one.errors.length, other.errors.length)
    for (const member of ['code', 'message', 'detail'] as const) {
      differ(`error ${member}`, one.errors[0]?.[member], other.errors[0]?.[member])
    }
    return
  }
  if (one?.records !== undefined && other?.records !== undefined) {
    for (const member of ['ID', 'CreatedAt', 'GUN', 'Version', 'SHA256', 'Category']) {
      const column = (feed: Parsed): unknown[] => feed.records?.map((record) => record[member]) ?? []
      differ(`record ${member}`, column(one), column(other))
    }
    return
  }
  differ('body', recorded, ours)
}

interface Parsed {
  readonly errors?: Record<string, unknown>[]
  readonly records?: Record<string, unknown>[]
}

function parsed(text: string): Parsed | undefined {
  return text === '' ? undefined : (JSON.parse(text) as Parsed)
}

function compareMade(recorded: Recorded, theirs: Buffer, ours: Buffer, comparison: Comparison, differ: Differ): void {
  const [one, other] = [signedOf(theirs), signedOf(ours)]
  differ('signed _type', one['_type'], other['_type'])
  differ('signed version', one.version, other.version)
  const off = Math.abs(Date.parse(one.expires) - Date.parse(other.expires))
  if (!(off < EXPIRY_TOLERANCE)) differ('signed expires', one.expires, other.expires)
  differ('members', Object.keys(one), Object.keys(other))
  differ('signatures', signers(theirs), signers(ours))
  const [meta, ourMeta] = [one['meta'], other['meta']] as Record<string, Meta>[]
  // A timestamp names a snapshot made by its own server, so the two differ.
  const snapshot = hexOf(meta?.['snapshot'])
  if (one['_type'] === 'Timestamp' && !comparison.isUploaded('snapshot', snapshot)) {
    differ('named roles', Object.keys(meta ?? {}), Object.keys(ourMeta ?? {}))
    differ(
      'named snapshot is stored',
      true,
      comparison.isStored(recordedGun(recorded) ?? '', 'snapshot', hexOf(ourMeta?.['snapshot'])),
    )
  } else differ('signed meta', meta, ourMeta)
}

function signers(bytes: Buffer): unknown[] {
  const { signatures } = JSON.parse(bytes.toString('utf8')) as {
    signatures: { keyid: string; method: string; sig: string }[]
  }
  return signatures.map(({ keyid, method, sig }) => ({ keyid, method, bytes: Buffer.from(sig, 'base64').length }))
}

function hexOf(meta: Meta | undefined): string {
  return Buffer.from(meta?.hashes.sha256 ?? '', 'base64').toString('hex')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
