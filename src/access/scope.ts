import { SERVER, type Gun, parseGun } from '../tuf/gun.ts'
import { ACTIONS, allows, type Action, type Grant, type Identity } from './permission.ts'

/** One entry of a token's `access`, or of the scopes in a token request (wire spec §15). */
export interface ResourceActions {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** What the actions `pull`, `push` and `*` of Notary's clients mean here. */
const MEANING: ReadonlyMap<string, readonly Action[]> = new Map<string, readonly Action[]>([
  ['pull', ['read']],
  ['push', ['sign']],
  ['*', ACTIONS.filter((action) => action !== 'admin')],
])
/** Parts of `*`, in tokens that this server makes; no client asks for them. */
const OWN_ACTIONS: readonly Action[] = ['rotate', 'delete']

/** The server itself: clients ask for it at `/v2/`, and the changefeed of all repositories needs it. */
export const CATALOG: ResourceActions = { type: 'registry', name: 'catalog', actions: ['*'] }

/** A GUN may contain blanks; one that separates scopes comes after actions and before a type. */
const BETWEEN_SCOPES = / (?<=:[a-z,*]* )(?=[a-z0-9]+(?:\([a-z0-9]+\))?:)/
/** What follows a type: docker before version 24 asks for `repository(plugin)` when it signs a plugin. */
const CLASS = /\([a-z0-9]+\)$/

/**
 * Parses the `scope` parameters of a token request: `repository:<GUN>:<actions>`, several separated by blanks. A GUN
 * contains colons: the type ends at the first, the actions begin after the last (wire spec §15.2). A class of the type is
 * dropped, as Notary ignores it in tokens.
 */
export function parseScopes(texts: readonly string[]): ResourceActions[] {
  return texts
    .flatMap((text) => text.split(BETWEEN_SCOPES))
    .flatMap((text): ResourceActions[] => {
      const [first, last] = [text.indexOf(':'), text.lastIndexOf(':')]
      if (first < 0 || first === last) return []
      const actions = text.slice(last + 1).split(',')
      return [{ type: text.slice(0, first).replace(CLASS, ''), name: text.slice(first + 1, last), actions }]
    })
}

/** Writes a scope as `parseScopes` reads it. */
export function formatScope({ type, name, actions }: ResourceActions): string {
  return `${type}:${name}:${actions.join(',')}`
}

/** Returns the part of the requested access that an identity may have, without empty entries. */
export function granted(
  identity: Identity,
  asked: readonly ResourceActions[],
  publicReads: boolean,
): ResourceActions[] {
  return asked.flatMap((resource): ResourceActions[] => {
    const { type, name, actions } = resource
    if (isCatalog(resource)) return actions.includes('*') && allows(identity, 'read', undefined) ? [CATALOG] : []
    const gun = gunOf(resource)
    if (gun === undefined) return []
    const may = (action: Action): boolean => allows(identity, action, gun) || (publicReads && action === 'read')
    const given = [...new Set(actions)].flatMap((action): string[] => {
      const meaning = MEANING.get(action) ?? []
      if (meaning.length > 0 && meaning.every(may)) return [action]
      return action === '*' ? allowedActions(may) : []
    })
    return given.length === 0 ? [] : [{ type, name, actions: [...new Set(given)] }]
  })
}

/** Returns the actions for somebody who asks for all and may do some. */
function allowedActions(may: (action: Action) => boolean): string[] {
  return [...(may('read') ? ['pull'] : []), ...(may('sign') ? ['push'] : []), ...OWN_ACTIONS.filter(may)]
}

/**
 * Returns the grants that a token's `access` amounts to. Names are literal here, never patterns; other types grant nothing.
 *
 * @param ours true for tokens that this server made, which may name parts of `*`
 */
export function grantsOf(access: readonly ResourceActions[], ours: boolean): Grant[] {
  return access.flatMap((resource): Grant[] => {
    const { actions } = resource
    if (isCatalog(resource)) return actions.includes('*') ? [{ pattern: SERVER, actions: ['read'] }] : []
    const gun = gunOf(resource)
    const own = ours ? OWN_ACTIONS : []
    const meant = actions.flatMap((action) => MEANING.get(action) ?? own.filter((each) => each === action))
    return gun === undefined || meant.length === 0 ? [] : [{ pattern: gun, actions: meant }]
  })
}

function isCatalog({ type, name }: ResourceActions): boolean {
  return type === CATALOG.type && name === CATALOG.name
}

/** Returns the repository that an entry names; undefined: it names none, or something else. */
function gunOf({ type, name }: ResourceActions): Gun | undefined {
  try {
    return type === 'repository' ? parseGun(name) : undefined
  } catch {
    return undefined
  }
}
