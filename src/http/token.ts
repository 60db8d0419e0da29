import { ANONYMOUS, type Identity } from '../access/permission.ts'
import { granted, parseScopes } from '../access/scope.ts'
import { TrustError } from '../errors.ts'
import { certificateNameOf, credentialsOf } from './credentials.ts'
import { notRouted } from './metadata.ts'
import type { Context, Gate, Wiring } from './state.ts'

/** Where the built-in token endpoint is. */
export const TOKEN_PATH = '/auth/token'
/** Scopes of one request; clients ask for one. */
const SCOPES_MAX = 20

/**
 * GET /auth/token: the built-in token endpoint (Docker registry token protocol, wire spec §15.2). What is asked and may
 * not be had is left out of the token; without credentials it holds what everybody may.
 */
export function getToken(wiring: Wiring): (ctx: Context) => Promise<void> {
  const { trust, gate, settings } = wiring
  const maker = gate?.access.maker
  if (gate === undefined || maker === undefined) return async (ctx) => notRouted(ctx)
  return async (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    const query = new URLSearchParams(ctx.querystring)
    const service = query.get('service') ?? settings.access.service
    if (service !== settings.access.service) {
      throw new TrustError('INVALID_PARAMETERS', 'tokens for another service are not made here')
    }
    const asked = parseScopes(query.getAll('scope'))
    if (asked.length > SCOPES_MAX) throw new TrustError('INVALID_PARAMETERS', `more than ${SCOPES_MAX} scopes`)
    const identity = await recognise(ctx, wiring, gate)
    ctx.state.identity = identity
    const access = granted(identity, asked, gate.publicReads)
    const { token, expiresIn, issuedAt } = maker.make(identity.subject ?? '', access, trust.now())
    ctx.status = 200
    ctx.type = 'application/json'
    ctx.body = JSON.stringify({
      token,
      access_token: token,
      expires_in: expiresIn,
      issued_at: new Date(issuedAt).toISOString(),
    })
  }
}

/** @throws TrustError UNAUTHENTICATED, BUSY */
async function recognise(ctx: Context, { settings, trust, clients }: Wiring, { access }: Gate): Promise<Identity> {
  const credentials = credentialsOf(ctx.req, settings.limits.tokenBytes)
  if (credentials.kind === 'none') {
    const commonName = certificateNameOf(ctx.req, trust.now())
    return (commonName === undefined ? undefined : access.certificate(commonName)) ?? ANONYMOUS
  }
  const found =
    credentials.kind === 'basic'
      ? await access.basic(credentials.user, credentials.password, clients.guessing(ctx.req))
      : undefined
  if (found !== undefined) return found
  ctx.set('WWW-Authenticate', 'Basic realm="countersign"')
  throw new TrustError('UNAUTHENTICATED', 'the user name or password is wrong')
}
