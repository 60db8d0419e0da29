import type { Action } from '../access/permission.ts'
import { CATALOG, formatScope, type ResourceActions } from '../access/scope.ts'
import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'

/** Why a client's credentials are refused; absent if it sent none (wire spec §15.1). */
export type ChallengeError = 'invalid_token' | 'insufficient_scope'

/** Where clients get tokens; from settings only. */
export interface Realm {
  readonly realm: string
  readonly service: string
}

/**
 * The one response to whoever may not do something: 401 with a single Bearer challenge, whether or not the repository
 * exists, and whatever is wrong with the credentials.
 */
export class Unauthorized extends TrustError {
  /** Value of WWW-Authenticate. */
  readonly challenge: string
  /** `detail` of the error body, as docker's registry writes it. */
  readonly detail: readonly object[]
  /** True: the request had no usable credentials. All such requests get the same response. */
  readonly ofNobody: boolean

  /** @param reason for the log; never sent to the client */
  constructor({ realm, service }: Realm, wanted: ResourceActions, error: ChallengeError | undefined, reason: string) {
    super('UNAUTHENTICATED', reason)
    const parameters = { realm, service, scope: formatScope(wanted), ...(error === undefined ? {} : { error }) }
    this.challenge = `Bearer ${Object.entries(parameters)
      .map(([name, value]) => `${name}="${quotable(value)}"`)
      .join(',')}`
    this.ofNobody = error === undefined
    this.detail = wanted.actions.map((action) => ({ Type: wanted.type, Class: '', Name: wanted.name, Action: action }))
  }
}

/** Returns the scope that a token needs for an action, as clients know it. @param gun undefined: the server itself */
export function neededScope(action: Action, gun: Gun | undefined): ResourceActions {
  if (gun === undefined) return CATALOG
  const actions = action === 'read' ? ['pull'] : action === 'sign' ? ['push', 'pull'] : ['*']
  return { type: 'repository', name: gun, actions }
}

/** Escapes text for a quoted string in a header. Clients parse no names from it, so other letters need only be harmless. */
function quotable(text: string): string {
  return text.replace(/["\\]/g, '\\$&').replace(/[^ -~]/gu, encodeURIComponent)
}
