import type { Socket } from 'node:net'
import type { Access } from '../access/access.ts'
import { allows, ANONYMOUS, nameOf, type Action, type Identity } from '../access/permission.ts'
import { CATALOG } from '../access/scope.ts'
import { TokenRefused } from '../access/web-token.ts'
import { asPermitted, type Trust } from '../repository/trust.ts'
import type { HttpSettings } from '../settings/schema.ts'
import type { Gun } from '../tuf/gun.ts'
import { Unauthorized, wantedFor, type ChallengeError } from './challenge.ts'
import { credentialsOf, hasCertificate, ofCertificate, type Credentials } from './credentials.ts'
import { gunOf } from './gun.ts'
import type { Context, Gate, Wiring } from './state.ts'

/** What one must be allowed to use a route: on its repository if the path names one, otherwise on the server. */
export type Needs =
  /** Open. */
  | 'nothing'
  /** Any valid credentials. */
  | 'identity'
  | Action
  /** As the file in the path says. */
  | ((file: string) => Action)

/**
 * How requests are checked, as the settings say.
 *
 * @param realm URL of the token endpoint; asked at each refusal: the port may be known only after listening
 * @returns undefined: they are not
 */
export function gateOf(
  { mode, service, publicReads }: HttpSettings['access'],
  access: Access,
  realm: () => string,
): Gate | undefined {
  return mode === 'none' ? undefined : { access, publicReads, realm: () => ({ realm: realm(), service }) }
}

/**
 * Let a request through, or not (wire spec §15.1): after the check of the repository's name, before anything is read of
 * the repository. Who asks stands in `ctx.state.identity` from then on.
 *
 * @throws Unauthorized
 */
export async function authorize(ctx: Context, wiring: Wiring, needs: Needs): Promise<void> {
  const { gate } = wiring
  if (gate === undefined || needs === 'nothing') return
  const { gun: name, file = '' } = ctx.params ?? {}
  const gun = name === undefined ? undefined : gunOf(ctx, wiring)
  // A name that no repository can have: the route answers, as always.
  if (name !== undefined && gun === undefined) return
  const action = typeof needs === 'function' ? needs(file) : needs
  const wanted = action === 'identity' ? CATALOG : wantedFor(action, gun)
  const refuse = (error: ChallengeError | undefined, reason: string): never => {
    throw new Unauthorized(gate.realm(), wanted, error, reason)
  }
  const identity = await recognise(ctx, wiring, gate.access, refuse)
  ctx.state.identity = identity
  if (permits(gate, identity, action, gun)) return
  if (identity === undefined) refuse(undefined, 'no credentials')
  else refuse('insufficient_scope', `${identity.name} may not`)
}

/** The one rule. @param gun undefined: the server itself */
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

/** What changes are made with for whoever was let in: they are asked once more before anything is written. */
export function trustFor(ctx: Context, wiring: Wiring, needs: Action): Trust {
  const { gate, trust } = wiring
  return gate === undefined ? trust : asPermitted(trust, () => authorize(ctx, wiring, needs))
}

/** Somebody, or nobody in particular, who may read. */
export interface Reader {
  readonly identity?: Identity
}

export const NOBODY: Reader = {}

/**
 * What `authorize` would find of a GET, where that can be told without waiting.
 *
 * @param gun of the document that is asked for; undefined: something that needs an identity, as a ping does
 * @param credentials read only where they count
 * @returns refused: who shows no credentials may not; undefined: it may be refused, or takes longer to find out
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

/** @returns undefined for a request without credentials that are of use here */
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
