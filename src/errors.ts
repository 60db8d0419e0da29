/**
 * The one error class. A stable `code` for programs, a sentence for people.
 *
 * HTTP status and Notary's wire code are decided in one table at the edge (`http/errors.ts`); nothing here knows HTTP.
 * Anything thrown that is not a TrustError is a fault of ours and becomes a 500 without details.
 */

/** What went wrong, for programs. Upload and request codes first, then faults of the store, then faults at start. */
export type TrustErrorCode =
  | 'NOT_FOUND' // no such repository, role, version or checksum
  | 'MALFORMED_UPLOAD' // the multipart body cannot be read, or is over a limit
  | 'NO_FILENAME' // a part names no role
  | 'INVALID_ROLE' // a part names something that is no role
  | 'MALFORMED_JSON' // a part is not the JSON that we accept
  | 'INVALID_UPDATE' // the update would break trust; `problem` says which check refused it
  | 'VERSION' // the same or a newer version is already stored
  | 'INVALID_GUN' // the repository's name is outside the grammar or outside the configured prefixes
  | 'INVALID_PARAMETERS' // something that was asked with is malformed: a parameter, a body, an option
  | 'UNAUTHENTICATED' // no valid credentials where some are needed
  | 'FORBIDDEN' // recognised, but not allowed
  | 'POLICY' // a rule that an admin set refuses it; the message says which
  | 'PRECONDITION' // what is there is not what the caller said it would be (If-Match)
  | 'WRONG_STATE' // it cannot be done to what is there: it exists already, the server does not hold the key, …
  | 'BUSY' // too much of something at once, uploads or wrong passwords say: try again
  | 'CONFLICT' // compare-and-set lost: somebody else committed first; the caller re-reads and tries again
  | 'STORE_UNAVAILABLE' // a write failed; nothing is written before the database was opened again: try again
  | 'CORRUPT' // a stored record does not match its own hash: never served
  | 'SIGNING_FAILED' // a private key that is needed is not here or does not open
  | 'REGISTRY' // a registry, or another Notary server, does not answer as it should
  | 'SIGNER_UNAVAILABLE' // the token that holds a private key cannot be reached: try again
  | 'CLOCK' // the clock stands before the last commit: nothing may be signed
  | 'BAD_SETTINGS' // settings that cannot be used; the message lists all of them
  | 'BAD_TLS' // certificate or key cannot be used
  | 'BAD_KEYS' // the keys directory is missing, unreadable, damaged, or the passphrase is wrong
  | 'DATA_MISSING' // there is no database where one is expected
  | 'DATA_EXISTS' // there is one where none is expected
  | 'DATA_LOCKED' // another process has the database open
  | 'DATA_DAMAGED' // the database is damaged, or behind its anchor
  | 'DATA_NEWER' // written by a newer Countersign

/** Notary's names for a refused update; its clients print a prefix for each (wire spec §4). */
type ProblemName = 'ErrValidation' | 'ErrBadHierarchy' | 'ErrBadRoot' | 'ErrBadTargets' | 'ErrBadSnapshot'

/** The validation object that Notary's clients read from a 400 answer: the only part of an error that they print. */
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
 * What the system refused to do with a file: `cannot make data: EACCES: permission denied`.
 *
 * @param what was tried, with the path
 * @param hint what helps, unless it is a matter of whose the file is
 */
export function fileError(code: TrustErrorCode, what: string, cause: unknown, hint: string): TrustError {
  // Node ends it with the call and the path, which is said already.
  const reason = messageOf(cause).replace(/, \w+(?: '.*)?$/s, '')
  const denied = ['EACCES', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '')
  return new TrustError(code, `${what}: ${reason}`, { hint: denied ? NOT_YOURS : hint, cause })
}

/** True of a file that is not there: there can be none where there is no directory, either. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}

const NOT_YOURS = 'run this as the user who owns that place (sudo -u USER …), or let that place be owned by this user'

/** What anything thrown says, in its own words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What was the matter where something was asked of another server: `fetch` itself says nothing but that it failed. */
export function reasonOf(error: unknown): string {
  if (error instanceof TrustError || !(error instanceof Error)) return messageOf(error)
  // Of a name with several addresses the first says it.
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error.cause
  return cause === undefined ? ownReason(error) : reasonOf(cause)
}

/** OpenSSL's errors name the lines of its code in which they arose, and end with a line feed. */
function ownReason(error: Error & { readonly code?: unknown; readonly reason?: unknown }): string {
  const { code, reason, message } = error
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'what answers there speaks no TLS'
  return String(code).startsWith('ERR_SSL_') && typeof reason === 'string' ? reason : message
}

/** An error on its way to another thread or process, which would keep neither its class nor its code. */
export interface Failure {
  /** Undefined: a fault of ours. */
  readonly code?: TrustErrorCode
  /** Of a fault: its stack. */
  readonly message: string
  readonly hint?: string | undefined
  readonly problem?: Problem | undefined
}

/** Whatever was thrown, as it goes there. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof TrustError)) {
    return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  const { code, message, hint, problem } = error
  return { code, message, hint, problem }
}

/** What `failureOf` was made of, as far as it can be known. */
export function errorOf({ code, message, hint, problem }: Failure): Error {
  if (code === undefined) return new Error(message)
  return new TrustError(code, message, { hint, problem })
}

/** @param hint what to do about it, if it is not to look the name up */
export function noSuchRepository(gun: string, hint = nameHint(gun)): never {
  throw new TrustError('NOT_FOUND', `there is no repository ${gun}`, { hint })
}

/** Images are typed with their tag all day long. */
function nameHint(gun: string): string {
  const [, untagged] = /^(.+\/[^/]+):[^/:]+$/.exec(gun) ?? []
  return untagged === undefined ? '"countersign repo list" prints all names' : `names have no tag: ${untagged}`
}

/**
 * What was read and is damaged.
 *
 * @throws whatever else the error says: that now nothing can be told of it, or a fault of ours
 */
export function damageIn(error: unknown): TrustError {
  const passing: readonly TrustErrorCode[] = ['SIGNER_UNAVAILABLE', 'STORE_UNAVAILABLE']
  if (!(error instanceof TrustError) || passing.includes(error.code)) throw error
  return error
}

/** What is read, where it is not damaged. @throws whatever `damageIn` throws */
export function unlessDamaged<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    damageIn(error)
    return undefined
  }
}

/** Refuse an update with the problem that Notary's clients print. */
export function refuse(name: ProblemName, message: string, missing?: string): never {
  throw new TrustError('INVALID_UPDATE', message, { problem: missing === undefined ? { name } : { name, missing } })
}
