import { isLoopback } from '../loopback.ts'
import { bodyOf, failure, request, type AskedServer } from './ask.ts'
import { basicOf, type Credentials } from './credentials.ts'
import { follow } from './follow.ts'
import type { Patiently } from './patience.ts'
import { laterHint, loginHint, redirectHint, saidReason } from './refusal.ts'

const TOKEN_MAX_BYTES = 256 * 1024
/** As often may a login be refused in a row: a service that is asked for hundreds of repositories would lock the account. */
const REFUSALS_MAX = 3
/** How often a token service has refused a login. */
const refused = new Map<string, number>()

/**
 * Gets a token from a server's token service (Docker registry token protocol).
 *
 * @param challenge the parameters of the server's `bearer` challenge
 * @param scope what the token must allow: `repository:library/alpine:pull`
 * @param credentials undefined: asks anonymously
 * @throws TrustError REGISTRY if it cannot be had
 */
export async function tokenFor(
  challenge: ReadonlyMap<string, string>,
  server: AskedServer,
  scope: string,
  credentials: Credentials | undefined,
  patiently: Patiently,
): Promise<string> {
  const realm = realmOf(challenge.get('realm') ?? '', server)
  const service = challenge.get('service')
  const parameters = { ...(service === undefined ? {} : { service }), scope }
  const basic = credentials && basicOf(credentials)
  // A user without a password is a stranger.
  const secret = credentials?.identityToken ?? basic
  const login = `${realm.origin} ${secret ?? ''}`
  if ((refused.get(login) ?? 0) >= REFUSALS_MAX) {
    throw failure(server, 'is not asked again, after its token service refused this login', loginHint(server))
  }
  const response = await patiently(() => askForToken(realm, parameters, basic, credentials?.identityToken))
  if (response.status === 200) {
    refused.delete(login)
    return tokenIn(response, server)
  }
  // One refusal may be about the repository.
  if (response.status === 401 && secret !== undefined) refused.set(login, (refused.get(login) ?? 0) + 1)
  const what = `returns no token: ${response.status}${await saidReason(response)}`
  throw failure(server, what, noTokenHint(response, server))
}

async function tokenIn(response: Response, server: AskedServer): Promise<string> {
  const answer = await bodyOf(response, server, TOKEN_MAX_BYTES)
  try {
    const { token, access_token: other } = JSON.parse(answer.toString()) as { token?: unknown; access_token?: unknown }
    // Like docker: some services send both and leave one empty.
    const text = other || token
    if (typeof text === 'string' && /^[\x21-\x7e]+$/.test(text)) return text
  } catch {
    // Reported below.
  }
  throw failure(server, 'returns no token')
}

/**
 * Returns the URL of a server's token service: one that is reached encrypted, unless both server and token service are
 * on this machine.
 *
 * @param named the `realm` of the challenge
 * @throws TrustError REGISTRY for any other
 */
function realmOf(named: string, server: AskedServer): URL {
  const refuse = (why: string): never => {
    throw failure(server, 'names a token service that cannot be used', why)
  }
  const realm = URL.parse(named) ?? refuse('its realm is not a URL')
  if (realm.username !== '' || realm.password !== '') refuse('its realm contains a user name or password')
  if (realm.protocol === 'https:') return realm
  const { origin } = new URL(server.url)
  if (origin.startsWith('http:') && realm.protocol === 'http:' && isLoopback(realm.hostname)) return realm
  // A registry behind a proxy that ends TLS may not know that it is reached by https://.
  const encrypted = new URL(realm)
  encrypted.protocol = 'https:'
  if (encrypted.origin === origin) return encrypted
  return refuse(`credentials are sent only over https://, not to ${realm.protocol}//${realm.host}`)
}

/**
 * Requests a token as docker does: with an identity token by OAuth 2, otherwise by the registry token protocol. Only the
 * latter follows redirects: the former has a secret in its body.
 */
function askForToken(
  realm: URL,
  parameters: Readonly<Record<string, string>>,
  basic: string | undefined,
  identityToken: string | undefined,
): Promise<Response> {
  if (identityToken !== undefined) {
    const form = { ...parameters, grant_type: 'refresh_token', refresh_token: identityToken, client_id: 'countersign' }
    return request(realm, { method: 'POST', body: new URLSearchParams(form) })
  }
  for (const [name, value] of Object.entries(parameters)) realm.searchParams.set(name, value)
  return follow(realm, basic === undefined ? {} : { Authorization: basic })
}

function noTokenHint(response: Response, server: AskedServer): string | undefined {
  const { status } = response
  const login = loginHint(server)
  // Some token services say so of a repository that does not exist.
  if (status === 403 && login !== undefined) return `check the name, or ${login} with an account that may pull it`
  if (status === 400 || status === 401) return login
  return redirectHint(response, 'the registry must name that address itself') ?? laterHint(response)
}
