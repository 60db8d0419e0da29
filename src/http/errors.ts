import { TrustError, type Problem, type TrustErrorCode } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { escapeAsGo } from '../tuf/encode.ts'
import { Unauthorized } from './challenge.ts'
import type { Context } from './state.ts'

/** An error as clients see it: HTTP status, Notary's wire code, and its fixed message (wire spec §4). */
interface WireError {
  readonly status: number
  readonly code: string
  readonly message: string
  /** Seconds until the client may try again. */
  readonly retryAfter?: number
}

const UNKNOWN: WireError = { status: 500, code: 'UNKNOWN', message: 'unknown error' }
const DENIED: WireError = { status: 403, code: 'DENIED', message: 'requested access to the resource is denied' }

/** @param retryAfter seconds */
const unavailable = (retryAfter: number): WireError => {
  return { status: 503, code: 'UNAVAILABLE', message: 'service unavailable', retryAfter }
}

/** The only table of errors. The message of a 4xx is sent to the client, that of a 5xx goes to the log. */
export const WIRE_ERRORS: Readonly<Record<TrustErrorCode, WireError>> = {
  NOT_FOUND: {
    status: 404,
    code: 'METADATA_NOT_FOUND',
    message: 'You have requested metadata that does not exist.',
  },
  MALFORMED_UPLOAD: { status: 400, code: 'MALFORMED_UPLOAD', message: 'The body of your request is malformed.' },
  NO_FILENAME: { status: 400, code: 'NO_FILENAME', message: 'No file/role name provided.' },
  INVALID_ROLE: {
    status: 400,
    code: 'INVALID_ROLE',
    message: 'The role you are attempting to operate on is invalid.',
  },
  MALFORMED_JSON: {
    status: 400,
    code: 'MALFORMED_JSON',
    message: 'JSON sent by the client could not be parsed by the server',
  },
  INVALID_UPDATE: { status: 400, code: 'INVALID_UPDATE', message: 'Update sent by the client is invalid.' },
  VERSION: { status: 400, code: 'VERSION', message: 'A newer version of metadata is already available.' },
  INVALID_GUN: {
    status: 400,
    code: 'INVALID_GUN',
    message: 'The server does not support actions on images of this name.',
  },
  INVALID_PARAMETERS: { status: 400, code: 'INVALID_PARAMETERS', message: 'The parameters provided are not valid.' },
  UNAUTHENTICATED: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  FORBIDDEN: DENIED,
  POLICY: DENIED,
  PRECONDITION: { status: 412, code: 'PRECONDITION_FAILED', message: 'the current state is not the expected one' },
  WRONG_STATE: { status: 409, code: 'CONFLICT', message: 'the current state does not allow this' },
  BUSY: { status: 429, code: 'TOOMANYREQUESTS', message: 'too many requests', retryAfter: 1 },
  CONFLICT: unavailable(1),
  STORE_UNAVAILABLE: unavailable(5),
  STOPPING: unavailable(5),
  CORRUPT: unavailable(60),
  SIGNING_FAILED: UNKNOWN,
  REGISTRY: { ...UNKNOWN, status: 502 },
  SIGNER_UNAVAILABLE: unavailable(10),
  CLOCK: unavailable(60),
  BAD_SETTINGS: UNKNOWN,
  BAD_TLS: UNKNOWN,
  BAD_KEYS: UNKNOWN,
  DATA_MISSING: UNKNOWN,
  DATA_EXISTS: UNKNOWN,
  DATA_LOCKED: UNKNOWN,
  DATA_DAMAGED: UNKNOWN,
  DATA_NEWER: UNKNOWN,
}

/** Most bytes of a whole error body: clients read no more (wire spec §4.1). */
export const ERROR_BODY_MAX_BYTES = 1024

/** Returns status and headers for anything thrown. */
export function wireErrorOf(error: unknown): WireError {
  return error instanceof TrustError ? WIRE_ERRORS[error.code] : UNKNOWN
}

/**
 * Returns the error body: one JSON object and a newline, members in Notary's order.
 *
 * For every 400, `detail` is a validation object, since that is the only part that Notary's clients print (wire spec
 * §19.44); for metadata that does not exist it is `{}`. Errors that are not the client's fault get no detail.
 */
export function errorBody(error: unknown): string {
  const wire = wireErrorOf(error)
  if (!(error instanceof TrustError) || wire.status >= 500) return envelope(wire)
  if (error instanceof Unauthorized) {
    const whole = envelope(wire, error.detail)
    // Omit the optional detail if the body would be too long.
    return fits(whole) ? whole : envelope(wire)
  }
  if (error.code === 'NOT_FOUND') return envelope(wire, {})
  const { name, missing }: Problem = error.problem ?? { name: 'ErrValidation' }
  return longestThatFits(error.message, (text) =>
    envelope(wire, { Name: name, Error: { Missing: missing, Msg: text } }),
  )
}

/** Returns the error body of a token request: docker and notary print its `message`, and no detail. */
export function tokenErrorBody(error: unknown): string {
  const wire = wireErrorOf(error)
  if (!(error instanceof TrustError) || wire.status >= 500) return envelope(wire)
  const { message, hint } = error
  return envelope({ ...wire, message: hint === undefined ? message : `${message}: ${hint}` })
}

function fits(body: string): boolean {
  return Buffer.byteLength(body) <= ERROR_BODY_MAX_BYTES
}

/** Cuts the text until the body fits; the number of bytes per character in the body varies. */
function longestThatFits(text: string, bodyWith: (text: string) => string): string {
  const whole = bodyWith(text)
  if (fits(whole)) return whole
  const cut = (length: number): string => bodyWith(`${text.slice(0, length).toWellFormed()}…`)
  let [short, long] = [0, Math.min(text.length, ERROR_BODY_MAX_BYTES)]
  while (long - short > 1) {
    const middle = (short + long) >> 1
    if (fits(cut(middle))) short = middle
    else long = middle
  }
  return cut(short)
}

const OF_CONNECTION = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_HTTP_REQUEST_TIMEOUT']

/**
 * Logs Koa's report of a failed response, except what is left of a client that went away, was too slow, or broke its
 * connection (a bad certificate, a malformed chunk): that is no fault of ours, and Node's parser attaches to its error
 * everything that it received, tokens included.
 */
export function answerFailed(log: Log): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    const { code = '' } = error
    const isOfConnection = OF_CONNECTION.includes(code) || code.startsWith('ERR_SSL_') || code.startsWith('HPE_')
    if (!isOfConnection) log.error({ err: error }, 'an answer failed')
  }
}

/**
 * Answers a path without a route, or one that matches a route's pattern but names nothing: 404 without detail (wire
 * spec §3).
 */
export function notRouted(ctx: Context): void {
  ctx.status = 404
  ctx.type = 'application/json; charset=utf-8'
  ctx.body = envelope(WIRE_ERRORS.NOT_FOUND)
}

/** @param detail undefined members are omitted, and so is an undefined detail */
function envelope({ code, message }: WireError, detail?: object): string {
  return `${escapeAsGo(JSON.stringify({ errors: [{ code, message, detail }] }))}\n`
}
