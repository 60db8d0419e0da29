import type { Head } from '../store/store.ts'
import { shellQuoted, type Gun } from '../tuf/gun.ts'

/**
 * True if this server signs the timestamps of a repository. It does not for an adopted one until a root names its keys, or
 * the keys that the root names are imported.
 */
export function signedHere({ renewAt }: Pick<Head, 'renewAt'>): boolean {
  return renewAt !== null
}

/** Returns the command that makes this server sign them. */
export function takeOverCommand(gun: Gun): string {
  return `countersign key rotate ${shellQuoted(gun)} snapshot`
}

/** Says why nothing can be changed before that, also to publishers. @param command that makes this server sign */
export function notSignedHere(gun: Gun, command = takeOverCommand(gun)): string {
  return (
    `${gun} was adopted from another server, and this one cannot sign it yet: first its root must name keys of this` +
    ` server (${command}); until then, publish there`
  )
}
