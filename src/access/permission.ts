import { SERVER, type Gun } from '../tuf/gun.ts'

/**
 * What an identity may do: `read` metadata; `sign`: publish metadata, have the server sign tags; `rotate` keys;
 * `delete` a repository; `admin`: everything, including users and settings.
 */
export const ACTIONS = ['read', 'sign', 'rotate', 'delete', 'admin'] as const
export type Action = (typeof ACTIONS)[number]

/** Actions on the repositories that a pattern matches. */
export interface Grant {
  /** A GUN, a prefix that ends in `/*`, or `*` for every repository and the server itself. */
  readonly pattern: string
  readonly actions: readonly Action[]
}

/** Somebody who was recognised, or `anonymous`. */
export interface Identity {
  /** As the journal names it: `user:alice`, `token:ci`, `certificate:build`, `external:bob`, `anonymous`, `local`. */
  readonly name: string
  readonly grants: readonly Grant[]
  /** Further limits: each of these lists must allow an action too. A token is bounded by its owner's grants. */
  readonly bounds?: readonly (readonly Grant[])[]
  /**
   * Finds the identity again (`holderOf`), for example in tokens of the built-in endpoint; changes with the credentials
   * that they were recognised by. None for anonymous, local, and identities of an external token service.
   */
  readonly subject?: string
}

/** Whoever can open the control socket owns the data directory, and may do everything. */
export const LOCAL: Identity = { name: 'local', grants: [{ pattern: '*', actions: ['admin'] }] }

/** Nobody in particular: a setting, not a grant, decides what everybody may read. */
export const ANONYMOUS: Identity = { name: 'anonymous', grants: [] }

/** Returns who makes a request, as journal and log name them. */
export function nameOf(identity: Identity | undefined): string {
  return (identity ?? ANONYMOUS).name
}

/**
 * True if the identity may do it. `admin` includes all actions; every action includes `read`.
 *
 * @param gun undefined: the server itself, for which only a grant on `*` counts
 */
export function allows({ grants, bounds = [] }: Identity, action: Action, gun: Gun | undefined): boolean {
  return [grants, ...bounds].every((list) =>
    list.some(
      ({ pattern, actions }) =>
        (gun === undefined ? pattern === '*' || pattern === SERVER : matches(pattern, gun)) && names(actions, action),
    ),
  )
}

/** True if a pattern matches this repository: `docker.io/acme/*` matches all below, not `docker.io/acme` itself. */
export function matches(pattern: string, gun: Gun): boolean {
  return pattern === '*' || pattern === gun || (pattern.endsWith('/*') && gun.startsWith(pattern.slice(0, -1)))
}

/** True if a list of actions contains this one, or one that includes it. */
function names(actions: readonly Action[], action: Action): boolean {
  return action === 'read' ? actions.length > 0 : actions.includes(action) || actions.includes('admin')
}
