import type { Head } from '../store/store.ts'
import { typed, type Gun } from '../tuf/gun.ts'

/**
 * Whether this server signs the timestamps of a repository. Of one that was adopted it does not until a root names keys
 * of this server, or the keys that the root names were imported.
 */
export function signedHere({ renewAt }: Pick<Head, 'renewAt'>): boolean {
  return renewAt !== null
}

/** What makes it sign them. */
export function takeOverCommand(gun: Gun): string {
  return `countersign key rotate ${typed(gun)} snapshot`
}

/** Why nothing can be changed before that; for people who publish, too. @param command that makes it sign */
export function notSignedHere(gun: Gun, command = takeOverCommand(gun)): string {
  return (
    `${gun} was adopted from another server, and this one cannot sign it yet: first its root must name keys of this` +
    ` server (${command}); until then, publish there`
  )
}
