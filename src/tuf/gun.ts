import { TrustError } from '../errors.ts'

/** The globally unique name of a repository, validated: `docker.io/library/alpine`, `localhost:5000/team/app`. */
export type Gun = string & { readonly __brand: 'Gun' }

/** The owner of records and keys that belong to the server itself. No repository can have this name. */
export const SERVER = '' as Gun

/** Bytes of UTF-8; the Go server's database column holds 255 characters (wire spec §2.1). */
const GUN_MAX_BYTES = 255

/** Control characters, white space other than a plain space, `\`, and `*`, which Notary's route pattern excludes. */
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f-\u00a0\u2028\u2029\ufeff*\\]/u

/** Only characters that a shell takes literally. */
const PLAIN = /^[\w.:@%+/-]+$/

/**
 * Validates a repository's name. Names that differ only in case are different repositories.
 *
 * Deliberately wider than docker's reference grammar: spaces, upper case and non-ASCII names are in use (wire spec §2.1).
 * Refuses everything that a path, a log line or a certificate check could read in two ways.
 *
 * @throws TrustError INVALID_GUN
 */
export function parseGun(text: string): Gun {
  const reason = fault(text)
  if (reason !== undefined) throw new TrustError('INVALID_GUN', `invalid repository name: ${reason}`)
  return text as Gun
}

/**
 * Refuses a repository that is under none of these prefixes; an empty list allows all.
 *
 * @throws TrustError INVALID_GUN
 */
export function mustBeUnder(gun: Gun, prefixes: readonly string[]): void {
  if (prefixes.length === 0 || prefixes.some((prefix) => gun.startsWith(prefix))) return
  throw new TrustError('INVALID_GUN', `Require GUNs with prefix: [${prefixes.join(' ')}]`, {
    hint: 'the setting gunPrefixes says so',
  })
}

/** Quotes a name or path for a shell, for commands that people copy: it may contain spaces, quotes and `$`. */
export function shellQuoted(name: string): string {
  return PLAIN.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`
}

/** Names a character that is not allowed: most of them are invisible. */
function nameOf(character: string): string {
  return /[*\\]/.test(character)
    ? character
    : `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
}

function fault(text: string): string | undefined {
  if (text === '') return 'it is empty'
  if (Buffer.byteLength(text) > GUN_MAX_BYTES) return `it is longer than ${GUN_MAX_BYTES} bytes`
  if (!text.isWellFormed()) return 'it is not valid Unicode'
  const [character] = FORBIDDEN.exec(text) ?? []
  if (character !== undefined) return `the character ${nameOf(character)} is not allowed`
  if (text.includes('://')) return 'it is a URL: leave out what comes before the host, https://'
  for (const segment of text.split('/')) {
    if (segment === '') return 'it has an empty path segment'
    if (segment === '.' || segment === '..') return 'it has a "." or ".." segment'
  }
  return undefined
}
