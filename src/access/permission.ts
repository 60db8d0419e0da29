import type { Gun } from '../tuf/gun.ts'

/**
 * What one may do: `read` metadata; `sign`: publish metadata, have the server sign tags; `rotate` keys; `delete` a
 * repository; `admin`: everything, users and settings too.
 */
export const ACTIONS = ['read', 'sign', 'rotate', 'delete', 'admin'] as const
export type Action = (typeof ACTIONS)[number]

/** Actions on the repositories that a pattern names. */
export interface Grant {
  /** A GUN, or a prefix that ends in `/*`; `*` is every repository. */
  readonly pattern: string
  readonly actions: readonly Action[]
}

/** Somebody who was recognised, or nobody in particular (`anonymous`). */
export interface Identity {
  /** As the journal names it: `user:alice`, `token:ci`, `certificate:build`, `anonymous`, `local`. */
  readonly name: string
  readonly grants: readonly Grant[]
}

/** Whoever can open the control socket owns the data directory, and may do everything. */
export const LOCAL: Identity = { name: 'local', grants: [{ pattern: '*', actions: ['admin'] }] }

/**
 * True if one may. `admin` includes all actions; every action includes `read`.
 *
 * @param gun undefined: the server itself, for which only a grant on `*` counts
 */
export function allows({ grants }: Identity, action: Action, gun: Gun | undefined): boolean {
  return grants.some(
    ({ pattern, actions }) =>
      (gun === undefined ? pattern === '*' : matches(pattern, gun)) &&
      (action === 'read' ? actions.length > 0 : actions.includes(action) || actions.includes('admin')),
  )
}

/** True if a pattern names this repository: `docker.io/acme/*` names all below, not `docker.io/acme` itself. */
export function matches(pattern: string, gun: Gun): boolean {
  return pattern === '*' || pattern === gun || (pattern.endsWith('/*') && gun.startsWith(pattern.slice(0, -1)))
}
