import type { Socket } from 'node:net'
import type { Access } from '../access/access.ts'
import { grantsText } from '../access/grant.ts'
import { allows, ANONYMOUS, nameOf, type Action, type Identity } from '../access/permission.ts'
import { CATALOG } from '../access/scope.ts'
import { TokenRefused } from '../access/web-token.ts'
import { withPermissionCheck, type Trust } from '../repository/trust.ts'
import type { HttpSettings } from '../settings/schema.ts'
import type { Gun } from '../tuf/gun.ts'
import { Unauthorized, neededScope, type ChallengeError } from './challenge.ts'
import { credentialsOf, hasCertificate, ofCertificate, type Credentials } from './credentials.ts'
import { gunOf } from './gun.ts'
import type { Context, Gate, Wiring } from './state.ts'

/** The permission that a route needs: on its repository if the path names one, otherwise on the server. */
export type Needs =
  /** Open to everybody. */
  | 'nothing'
  /** Any valid credentials. */
  | 'identity'
  | Action
  /** Depends on the file in the path. */
  | ((file: string) => Action)

/**
 * Returns how to authorize requests under these settings.
 *
 * @param realm returns the URL of the token endpoint; called at each refusal, since the port may be known only after
 *   listening
 * @returns undefined: requests are not authorized
 */
export function gateOf(
  { mode, service, publicReads }: HttpSettings['access'],
  access: Access,
  realm: () => string,
): Gate | undefined {
  return mode === 'none' ? undefined : { access, publicReads, realm: () => ({ realm: realm(), service }) }
}

/**
 * Lets a request through or refuses it (wire spec §15.1), after checking the repository's name but before reading
 * anything of the repository. Sets `ctx.state.identity` to who makes the request.
 *
 * @throws Unauthorized
 */
export async function authorize(ctx: Context, wiring: Wiring, needs: Needs): Promise<void> {
  const { gate } = wiring
  if (gate === undefined || needs === 'nothing') return
  const { gun: name, file = '' } = ctx.params ?? {}
  const gun = name === undefined ? undefined : gunOf(ctx, wiring)
  // No repository can have that name: leave the response to the route, as always.
  if (name !== undefined && gun === undefined) return
  const action = typeof needs === 'function' ? needs(file) : needs
  const wanted = action === 'identity' ? CATALOG : neededScope(action, gun)
  const refuse = (error: ChallengeError | undefined, reason: string): never => {
    throw new Unauthorized(gate.realm(), wanted, error, reason)
  }
  const identity = await recognise(ctx, wiring, gate.access, refuse)
  ctx.state.identity = identity
  if (permits(gate, identity, action, gun)) return
  if (identity === undefined) refuse(undefined, 'no credentials')
  else refuse('insufficient_scope', `${identity.name} may not; may: ${grantsText(identity.grants)}`)
}

/** Decides who may do what; the only place. @param gun undefined: the server itself */
function permits(
  { publicReads }: Gate,
  identity: Identity | undefined,
  action: Action | 'identity',
  gun: Gun | undefined,
): boolean {
  if (action === 'identity') return nameOf(identity) !== ANONYMOUS.name
  const isOpen = publicReads && action === 'read' && gun !== undefined
  return isOpen || (identity !== undefined && allows(identity, action, gun))
}

/** Returns the trust to make changes with for an authorized request: it authorizes again just before each write. */
export function trustFor(ctx: Context, wiring: Wiring, needs: Action): Trust {
  const { gate, trust } = wiring
  return gate === undefined ? trust : withPermissionCheck(trust, () => authorize(ctx, wiring, needs))
}

/** Somebody, or an anonymous client, who may read. */
export interface Reader {
  readonly identity?: Identity
}

export const NOBODY: Reader = {}

/**
 * Returns what `authorize` would find for a GET, if that needs no waiting.
 *
 * @param gun of the requested document; undefined: something that needs an identity, like a ping
 * @param credentials called only if they matter
 * @returns refused: a client without credentials may not; undefined: it may be refused, or takes longer to find out
 */
export function readerAtOnce(
  gate: Gate | undefined,
  gun: Gun | undefined,
  socket: Socket,
  credentials: () => Credentials,
): Reader | 'refused' | undefined {
  if (gate === undefined) return NOBODY
  const action = gun === undefined ? 'identity' : 'read'
  const shown = credentials()
  if (shown.kind === 'none' && hasCertificate(socket)) return undefined
  if (shown.kind === 'none') return permits(gate, undefined, action, gun) ? NOBODY : 'refused'
  const identity = shown.kind === 'bearer' ? gate.access.bearerAtOnce(shown.token) : undefined
  return identity !== undefined && permits(gate, identity, action, gun) ? { identity } : undefined
}

/** @returns undefined for a request without usable credentials */
async function recognise(
  ctx: Context,
  { settings, trust }: Wiring,
  access: Access,
  refuse: (error: ChallengeError, reason: string) => never,
): Promise<Identity | undefined> {
  const credentials = credentialsOf(ctx.req, settings.limits.tokenBytes)
  if (credentials.kind === 'unreadable') refuse('invalid_token', 'the Authorization header cannot be read')
  if (credentials.kind === 'bearer') {
    try {
      return await access.bearer(credentials.token)
    } catch (error) {
      if (error instanceof TokenRefused) return refuse('invalid_token', `the token was refused: ${error.message}`)
      throw error
    }
  }
  return ofCertificate(ctx.req, access, trust.now())
}
