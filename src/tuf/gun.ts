import { TrustError } from '../errors.ts'

/** The globally unique name of a repository, checked: `docker.io/library/alpine`, `localhost:5000/team/app`. */
export type Gun = string & { readonly __brand: 'Gun' }

/** Stands for the server itself, where records and keys belong to no repository. No repository can have this name. */
export const SERVER = '' as Gun

/** Bytes of UTF-8; the Go server's database column holds 255 characters (wire spec §2.1). */
const GUN_MAX_BYTES = 255

/** Control characters, white space other than a plain space, and `*`, which Notary's route pattern excludes. */
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f-\u00a0\u2028\u2029\ufeff*\\]/u

/** Nothing that a shell would read otherwise. */
const PLAIN = /^[\w.:@%+/-]+$/

/**
 * Check a repository's name. Case is kept: two names that differ in case are two repositories.
 *
 * Wider than docker's reference grammar on purpose (wire spec §2.1: spaces, upper case and non-ASCII names are in use),
 * and closed against everything that a path, a log line or a certificate check could read in two ways.
 *
 * @throws TrustError INVALID_GUN
 */
export function parseGun(text: string): Gun {
  const reason = fault(text)
  if (reason !== undefined) throw new TrustError('INVALID_GUN', `invalid repository name: ${reason}`)
  return text as Gun
}

/**
 * Only repositories under these prefixes may exist here; with none, all may.
 *
 * @throws TrustError INVALID_GUN
 */
export function mustBeUnder(gun: Gun, prefixes: readonly string[]): void {
  if (prefixes.length === 0 || prefixes.some((prefix) => gun.startsWith(prefix))) return
  throw new TrustError('INVALID_GUN', `Require GUNs with prefix: [${prefixes.join(' ')}]`, {
    hint: 'the setting gunPrefixes says so',
  })
}

/** A name, or a path, as a shell takes it, in a command that people copy: it may have spaces, quotes and `$` in it. */
export function typed(name: string): string {
  return PLAIN.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`
}

function fault(text: string): string | undefined {
  if (text === '') return 'it is empty'
  if (Buffer.byteLength(text) > GUN_MAX_BYTES) return `it is longer than ${GUN_MAX_BYTES} bytes`
  if (!text.isWellFormed() || FORBIDDEN.test(text)) return 'it contains a character that is not allowed'
  for (const segment of text.split('/')) {
    if (segment === '') return 'it has an empty path segment'
    if (segment === '.' || segment === '..') return 'it has a "." or ".." segment'
  }
  return undefined
}
