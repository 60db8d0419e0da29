import { isLoopback } from '../loopback.ts'
import { bodyOf, failure, request, type AskedServer } from './ask.ts'
import type { Challenges } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { follow } from './follow.ts'
import { impatiently } from './patience.ts'
import { laterHint, redirectHint, saidReason } from './refusal.ts'

const TOKEN_MAX_BYTES = 256 * 1024
/** As often may a login be refused in a row: a service that is asked for hundreds of repositories would lock the account. */
const REFUSALS_MAX = 3
/** How often a token service has refused a login. */
const refused = new Map<string, number>()

/**
 * Returns the `Authorization` value to send after a 401: a password, or a token from the server's token service.
 *
 * @param challenges those of the 401
 * @param scope what the token must allow: `repository:library/alpine:pull`
 * @param credentials undefined: requests the token anonymously
 * @throws TrustError REGISTRY if neither can be had
 */
export async function authorization(
  challenges: Challenges,
  server: AskedServer,
  scope: string,
  credentials: Credentials | undefined,
  patiently = impatiently,
): Promise<string> {
  const basic = credentials && basicOf(credentials)
  const bearer = challenges.get('bearer')
  if (challenges.has('basic')) {
    // Like docker, prefer a password to a token where the server takes both.
    if (basic !== undefined) return basic
    if (bearer === undefined) throw failure(server, 'requires a password', loginHint(server))
  }
  if (bearer === undefined) throw failure(server, 'requires an unsupported kind of credentials')
  const realm = realmOf(bearer.get('realm') ?? '', server)
  const service = bearer.get('service')
  const parameters = { ...(service === undefined ? {} : { service }), scope }
  const login = `${realm.origin} ${credentials?.identityToken ?? basic ?? ''}`
  if ((refused.get(login) ?? 0) >= REFUSALS_MAX) {
    throw failure(server, 'is not asked again, after its token service refused this login', loginHint(server))
  }
  const response = await patiently(() => askForToken(realm, parameters, basic, credentials?.identityToken))
  // A refusal may be about the repository.
  if (response.status === 200) refused.delete(login)
  else if (response.status === 401 && credentials !== undefined) refused.set(login, (refused.get(login) ?? 0) + 1)
  if (response.status !== 200) {
    const what = `returns no token: ${response.status}${await saidReason(response)}`
    throw failure(server, what, noTokenHint(response, server))
  }
  const answer = await bodyOf(response, server, TOKEN_MAX_BYTES)
  try {
    const { token, access_token: other } = JSON.parse(answer.toString()) as { token?: unknown; access_token?: unknown }
    // Like docker: some services send both and leave one empty.
    const text = other || token
    if (typeof text === 'string' && /^[\x21-\x7e]+$/.test(text)) return `Bearer ${text}`
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

/** Like docker, takes half a login for none. */
function basicOf({ username, password }: Credentials): string | undefined {
  if (username === '' || password === '') return undefined
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
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

function loginHint({ account }: AskedServer): string | undefined {
  return account === undefined ? undefined : `docker login ${account}`
}
