import { TrustError } from '../errors.ts'
import { parseGun, type Gun } from '../tuf/gun.ts'
import { ACTIONS, allows, type Action, type Grant, type Identity } from './permission.ts'

/** Most grants of one user or token. */
export const GRANTS_MAX = 100

/** Checks a pattern: `*`, `docker.io/acme/*`, or the name of one repository. @throws TrustError INVALID_PARAMETERS */
export function parsePattern(text: string): string {
  if (text === '*') return text
  try {
    parseGun(text.endsWith('/*') ? text.slice(0, -2) : text)
    return text
  } catch (cause) {
    throw new TrustError('INVALID_PARAMETERS', `"${text}" is not a repository pattern`, {
      hint: 'write docker.io/acme/app, docker.io/acme/*, or *',
      cause,
    })
  }
}

/**
 * Parses a grant as people write it: `read,sign:docker.io/acme/*`. The actions end at the first colon, since names of
 * repositories contain colons too.
 *
 * @throws TrustError INVALID_PARAMETERS
 */
export function parseGrant(text: string): Grant {
  const colon = text.indexOf(':')
  const actions = text.slice(0, Math.max(colon, 0)).split(',')
  const known = actions.filter((action): action is Action => (ACTIONS as readonly string[]).includes(action))
  if (colon < 0 || known.length !== actions.length) {
    throw new TrustError('INVALID_PARAMETERS', `"${text}" is not a valid grant`, {
      hint: `write ACTIONS:PATTERN, as in read,sign:docker.io/acme/*; actions are ${ACTIONS.join(', ')}`,
    })
  }
  return { pattern: parsePattern(text.slice(colon + 1)), actions: [...new Set(known)] }
}

/** Writes a grant as `parseGrant` reads it. */
export function formatGrant({ pattern, actions }: Grant): string {
  return `${actions.join(',')}:${pattern}`
}

/** Says what somebody may do: `read,sign:docker.io/acme/* rotate:docker.io/acme/app`, or `nothing`. */
export function grantsText(grants: readonly Grant[]): string {
  return grants.length === 0 ? 'nothing' : grants.map(formatGrant).join(' ')
}

/** True if somebody may do everything that a grant allows, on every repository that its pattern matches. */
export function covers(identity: Identity, { pattern, actions }: Grant): boolean {
  // No GUN ends in `*`, so one pattern matches another as it matches a GUN: if it matches all that the other does.
  return actions.every((action) => allows(identity, action, pattern as Gun))
}
