import { SERVER, type Gun } from '../tuf/gun.ts'

/**
 * What one may do: `read` metadata; `sign`: publish metadata, have the server sign tags; `rotate` keys; `delete` a
 * repository; `admin`: everything, users and settings too.
 */
export const ACTIONS = ['read', 'sign', 'rotate', 'delete', 'admin'] as const
export type Action = (typeof ACTIONS)[number]

/** Actions on the repositories that a pattern names. */
export interface Grant {
  /** A GUN, or a prefix that ends in `/*`; `*` is every repository, and the server itself. */
  readonly pattern: string
  readonly actions: readonly Action[]
}

/** Somebody who was recognised, or nobody in particular (`anonymous`). */
export interface Identity {
  /** As the journal names it: `user:alice`, `token:ci`, `certificate:build`, `external:bob`, `anonymous`, `local`. */
  readonly name: string
  readonly grants: readonly Grant[]
  /** What bounds them: each of these lists must allow it too. A token's owner bounds what the token may. */
  readonly bounds?: readonly (readonly Grant[])[]
  /**
   * By what they are found again (`holderOf`), in tokens of the built-in endpoint say; changes with what they were
   * recognised by. None: anonymous, local, or of an external token service.
   */
  readonly subject?: string
}

/** Whoever can open the control socket owns the data directory, and may do everything. */
export const LOCAL: Identity = { name: 'local', grants: [{ pattern: '*', actions: ['admin'] }] }

/** Nobody in particular: what is open to everybody is decided by a setting, not by grants. */
export const ANONYMOUS: Identity = { name: 'anonymous', grants: [] }

/** Who asks, as journal and log name them. */
export function nameOf(identity: Identity | undefined): string {
  return (identity ?? ANONYMOUS).name
}

/**
 * True if one may. `admin` includes all actions; every action includes `read`.
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

/** True if a pattern names this repository: `docker.io/acme/*` names all below, not `docker.io/acme` itself. */
export function matches(pattern: string, gun: Gun): boolean {
  return pattern === '*' || pattern === gun || (pattern.endsWith('/*') && gun.startsWith(pattern.slice(0, -1)))
}

/** True if a list of actions includes this one, by its name or by what includes it. */
export function names(actions: readonly Action[], action: Action): boolean {
  return action === 'read' ? actions.length > 0 : actions.includes(action) || actions.includes('admin')
}
