/**
 * What people and programs are told of an error: a stable `code` for programs, a sentence for people.
 *
 * One table at the edge (`http/errors.ts`) decides HTTP status and Notary's wire code; nothing here knows HTTP.
 * Anything thrown that is not a TrustError is a fault of ours, and becomes a 500 without details.
 */

/** What went wrong, for programs. Codes of uploads and requests first, then faults of the store, then faults at start. */
export type TrustErrorCode =
  | 'NOT_FOUND' // no such repository, role, version or checksum
  | 'MALFORMED_UPLOAD' // the multipart body cannot be read, or is over a limit
  | 'NO_FILENAME' // a part names no role
  | 'INVALID_ROLE' // a part names something that is no role
  | 'MALFORMED_JSON' // a part is not JSON, or not the JSON that we accept
  | 'INVALID_UPDATE' // the update would break trust; `problem` says which check refused it
  | 'VERSION' // the same or a newer version is already stored
  | 'INVALID_GUN' // the repository's name is outside the grammar or outside the configured prefixes
  | 'INVALID_PARAMETERS' // something in the request is malformed: a parameter, a body, an option
  | 'UNAUTHENTICATED' // valid credentials are needed, and there are none
  | 'FORBIDDEN' // recognised, but not allowed
  | 'POLICY' // a rule that an admin set refuses it; the message says which
  | 'PRECONDITION' // the current state is not what the caller expected (If-Match)
  | 'WRONG_STATE' // the current state does not allow it: it exists already, the server does not hold the key, …
  | 'BUSY' // too much at once, such as uploads or wrong passwords: try again
  | 'CONFLICT' // compare-and-set lost: another commit came first; the caller re-reads and tries again
  | 'STORE_UNAVAILABLE' // a write failed, and nothing is written until the database is reopened: try again
  | 'STOPPING' // the server is being stopped: no fault
  | 'CORRUPT' // a stored record does not match its own hash: never served
  | 'SIGNING_FAILED' // a required private key is not here or does not open
  | 'REGISTRY' // a registry, or another Notary server, does not answer as it should
  | 'SIGNER_UNAVAILABLE' // the token that holds a private key cannot be reached: try again
  | 'CLOCK' // the clock is before the last commit: nothing may be signed
  | 'BAD_SETTINGS' // settings that cannot be used; the message lists all of them
  | 'BAD_TLS' // certificate or key cannot be used
  | 'BAD_KEYS' // the keys directory is missing, unreadable, damaged, or the passphrase is wrong
  | 'DATA_MISSING' // there is no database where one is expected
  | 'DATA_EXISTS' // there is a database where none is expected
  | 'DATA_LOCKED' // another process has the database open
  | 'DATA_DAMAGED' // the database is damaged, or behind its anchor
  | 'DATA_NEWER' // written by a newer Countersign

/** Notary's names for a refused update; its clients print a prefix for each (wire spec §4). */
type ProblemName = 'ErrValidation' | 'ErrBadHierarchy' | 'ErrBadRoot' | 'ErrBadTargets' | 'ErrBadSnapshot'

/** The validation object in a 400 response: the only part of an error that Notary's clients print. */
export interface Problem {
  readonly name: ProblemName
  /** Only for ErrBadHierarchy: the role that is missing. */
  readonly missing?: string
}

interface TrustErrorOptions {
  readonly problem?: Problem | undefined
  /** What to do about it, a sentence for the person at the terminal. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

export class TrustError extends Error {
  override readonly name = 'TrustError'
  readonly code: TrustErrorCode
  readonly problem: Problem | undefined
  readonly hint: string | undefined

  /**
   * @param code what went wrong, for programs
   * @param message what went wrong, a sentence for people, without secrets; sent to clients for 4xx codes
   */
  constructor(code: TrustErrorCode, message: string, options: TrustErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.problem = options.problem
    this.hint = options.hint
  }
}

/**
 * Returns an error for a file operation that the system refused: `cannot make data: EACCES: permission denied`.
 *
 * @param what was tried, with the path
 * @param hint what helps, unless it is a matter of permissions, or the system lacks something
 * @param deniedHint what helps then
 */
export function fileError(
  code: TrustErrorCode,
  what: string,
  cause: unknown,
  hint: string,
  deniedHint = NOT_YOURS,
): TrustError {
  // Node appends the call and the path, which the message already names.
  const reason = messageOf(cause).replace(/, \w+(?: '.*)?$/s, '')
  const { code: system = '' } = cause as NodeJS.ErrnoException
  if (LACKS.has(system)) return new TrustError(code, `${what}: ${reason}`, { hint: LACKS_HINT, cause })
  const denied = ['EACCES', 'EPERM'].includes(system)
  return new TrustError(code, `${what}: ${reason}`, { hint: denied ? deniedHint : hint, cause })
}

/** True if the error says that a file, or a directory above it, does not exist. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Codes of the system for what passes, and says nothing of the file. */
const LACKS = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])
const LACKS_HINT = 'the file is not at fault: give the process more open files or memory, and try again'
const NOT_YOURS = 'run this as the user who owns that place (sudo -u USER …), or make this user its owner'

/** Returns the message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Returns why a request to another server failed: `fetch` itself only says that it did. */
export function reasonOf(error: unknown): string {
  if (error instanceof TrustError || !(error instanceof Error)) return messageOf(error)
  // For a name with several addresses, report the first one's error.
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error.cause
  return cause === undefined ? ownReason(error) : reasonOf(cause)
}

/** OpenSSL's errors name lines of its source code, and end with a line feed. */
function ownReason(error: Error & { readonly code?: unknown; readonly reason?: unknown }): string {
  const { code, reason, message } = error
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'the server there does not speak TLS'
  return String(code).startsWith('ERR_SSL_') && typeof reason === 'string' ? reason : message
}

/** An error on its way to another thread or process, where it would lose its class and code. */
export interface Failure {
  /** Undefined: a fault of ours. */
  readonly code?: TrustErrorCode
  /** For a fault: its stack. */
  readonly message: string
  readonly hint?: string | undefined
  readonly problem?: Problem | undefined
}

/** Converts anything thrown to a `Failure`. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof TrustError)) {
    return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  const { code, message, hint, problem } = error
  return { code, message, hint, problem }
}

/** Restores the error that `failureOf` converted, as far as possible. */
export function errorOf({ code, message, hint, problem }: Failure): Error {
  if (code === undefined) return new Error(message)
  return new TrustError(code, message, { hint, problem })
}

/**
 * Returns the error if it reports damage in what was read.
 *
 * @throws any other error: one that leaves the damage unknown for now, or a fault of ours
 */
export function damageIn(error: unknown): TrustError {
  const passing: readonly TrustErrorCode[] = ['SIGNER_UNAVAILABLE', 'STORE_UNAVAILABLE']
  if (!(error instanceof TrustError) || passing.includes(error.code)) throw error
  return error
}

/** Returns what is read; undefined if it is damaged. @throws whatever `damageIn` throws */
export function unlessDamaged<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    damageIn(error)
    return undefined
  }
}

/** Refuses an update with the problem that Notary's clients print. */
export function refuse(name: ProblemName, message: string, missing?: string): never {
  throw new TrustError('INVALID_UPDATE', message, { problem: missing === undefined ? { name } : { name, missing } })
}
