import { ANONYMOUS, type Identity } from '../access/permission.ts'
import { formatScope, granted, parseScopes, type ResourceActions } from '../access/scope.ts'
import { TrustError } from '../errors.ts'
import { credentialsOf, ofCertificate, type Credentials } from './credentials.ts'
import { notRouted } from './errors.ts'
import { senderOf } from './sender.ts'
import type { Context, Gate, Wiring } from './state.ts'

/** Path of the built-in token endpoint. */
export const TOKEN_PATH = '/auth/token'
/** Most scopes in one request; clients send one. */
const SCOPES_MAX = 20
/** Bytes of a form. */
const FORM_MAX_BYTES = 16 * 1024

/** A token request. */
interface Asked {
  readonly parameters: URLSearchParams
  /** Called only if they matter. */
  readonly credentials: () => Credentials
}

/**
 * GET /auth/token: the built-in token endpoint (Docker registry token protocol, wire spec §15.2). The token omits
 * requested access that is not allowed; without credentials, it contains what everybody may do.
 */
export function getToken(wiring: Wiring): (ctx: Context) => Promise<void> {
  const { tokenBytes } = wiring.settings.limits
  return answering(wiring, async (ctx) => {
    return { parameters: new URLSearchParams(ctx.querystring), credentials: () => credentialsOf(ctx.req, tokenBytes) }
  })
}

/**
 * POST /auth/token: the same in OAuth 2 form (distribution spec, "oauth2"), with user and password in a form. Portieris
 * uses it, and falls back to GET only after a 404 or 405; it then sends no password.
 */
export function postToken(wiring: Wiring): (ctx: Context) => Promise<void> {
  const { bodies } = wiring
  return answering(wiring, async (ctx) => {
    if (ctx.is('application/x-www-form-urlencoded') === false) {
      throw new TrustError('INVALID_PARAMETERS', 'the body must be a form')
    }
    const form = await bodies.read(ctx.req, FORM_MAX_BYTES, senderOf(ctx, wiring), async (body) =>
      body.toString('utf8'),
    )
    const parameters = new URLSearchParams(form)
    return { parameters, credentials: () => credentialsInForm(parameters) }
  })
}

/** @throws TrustError INVALID_PARAMETERS */
function credentialsInForm(form: URLSearchParams): Credentials {
  if (form.get('grant_type') !== 'password') {
    throw new TrustError('INVALID_PARAMETERS', 'only grant_type=password is supported', {
      hint: 'log in with a password or an API token, not with an identity token',
    })
  }
  return { kind: 'basic', user: form.get('username') ?? '', password: form.get('password') ?? '' }
}

function answering(wiring: Wiring, read: (ctx: Context) => Promise<Asked>): (ctx: Context) => Promise<void> {
  const { trust, gate, settings } = wiring
  const maker = gate?.access.maker
  if (gate === undefined || maker === undefined) return async (ctx) => notRouted(ctx)
  return async (ctx) => {
    const { parameters, credentials } = await read(ctx)
    const service = parameters.get('service') ?? settings.access.service
    if (service !== settings.access.service) {
      throw new TrustError('INVALID_PARAMETERS', 'tokens for other services are not issued here')
    }
    const asked = parseScopes(parameters.getAll('scope'))
    if (asked.length > SCOPES_MAX) throw new TrustError('INVALID_PARAMETERS', `more than ${SCOPES_MAX} scopes`)
    // Docker sends its credentials for the registry, which may be unknown here: each pull would count as a guess.
    const open = gate.publicReads && isReading(asked)
    const identity = open ? ANONYMOUS : await recognise(ctx, wiring, gate, credentials())
    ctx.state.identity = identity
    const access = granted(identity, asked, gate.publicReads)
    const { token, expiresIn, issuedAt } = maker.make(identity.subject ?? '', access, trust.now())
    ctx.status = 200
    ctx.type = 'application/json'
    ctx.body = JSON.stringify({
      token,
      access_token: token,
      scope: formatted(access),
      expires_in: expiresIn,
      issued_at: new Date(issuedAt).toISOString(),
    })
  }
}

/** True if everybody may have this access because reads are public: then credentials do not matter. */
function isReading(asked: readonly ResourceActions[]): boolean {
  const given = granted(ANONYMOUS, asked, true)
  return asked.length > 0 && formatted(given) === formatted(asked)
}

function formatted(access: readonly ResourceActions[]): string {
  return access.map(formatScope).join(' ')
}

/** @throws TrustError UNAUTHENTICATED, BUSY */
async function recognise(
  ctx: Context,
  { trust, clients }: Wiring,
  { access }: Gate,
  credentials: Credentials,
): Promise<Identity> {
  if (credentials.kind === 'none') return ofCertificate(ctx.req, access, trust.now()) ?? ANONYMOUS
  const found =
    credentials.kind === 'basic'
      ? await access.basic(credentials.user, credentials.password, clients.ofOneClient(ctx.req))
      : undefined
  if (found !== undefined) return found
  ctx.set('WWW-Authenticate', 'Basic realm="countersign"')
  throw new TrustError('UNAUTHENTICATED', 'the user name, password or API token is wrong or no longer valid')
}
