import { TrustError } from '../errors.ts'
import { isRole, type Role, type ServerRole } from '../tuf/role.ts'

/** What the last segment of a metadata path asks for (wire spec §2, file forms). */
export type TufFile =
  | { readonly form: 'current'; readonly role: Role }
  | { readonly form: 'checksum'; readonly role: Role; readonly sha256: string }
  | { readonly form: 'version'; readonly role: Role; readonly version: number }
  | { readonly form: 'key'; readonly role: ServerRole }

/**
 * Decodes a request's path once, and merges duplicate slashes (wire spec §1.1, §19.43), so that a server URL configured
 * with a trailing slash works.
 *
 * @throws TrustError INVALID_PARAMETERS for broken percent-encoding
 */
export function decodePath(path: string): string {
  return orUnreadable(() => decodeURIComponent(path)).replace(/\/{2,}/g, '/')
}

/**
 * Returns a request's path as it was sent. Node's parser throws on a malformed absolute URL, as sent to proxies.
 *
 * @throws TrustError INVALID_PARAMETERS, in place of Node's error, which quotes the URL with whatever people paste there
 */
export function sentPath(request: { readonly path: string }): string {
  return orUnreadable(() => request.path)
}

function orUnreadable(read: () => string): string {
  try {
    return read()
  } catch {
    throw new TrustError('INVALID_PARAMETERS', 'the URL cannot be read')
  }
}

/**
 * Parses `root.json`, `root.<hex>.json`, `3.root.json`, `targets/releases.json`, `timestamp.key`; undefined: another form.
 */
export function parseTufFile(file: string): TufFile | undefined {
  if (file === 'timestamp.key' || file === 'snapshot.key') {
    return { form: 'key', role: file === 'timestamp.key' ? 'timestamp' : 'snapshot' }
  }
  if (!file.endsWith('.json')) return undefined
  const name = file.slice(0, -'.json'.length)
  if (isRole(name)) return { form: 'current', role: name }
  const [, role = '', checksum = ''] = /^(.+)\.([0-9a-fA-F]{64})$/.exec(name) ?? []
  if (isRole(role)) return { form: 'checksum', role, sha256: checksum.toLowerCase() }
  // Leading zeros are fine; a version that no document can have is simply not found.
  const [, digits = '', versioned = ''] = /^(\d{1,20})\.(.+)$/.exec(name) ?? []
  const version = Number(digits)
  return isRole(versioned) && version < 2 ** 32 ? { form: 'version', role: versioned, version } : undefined
}
