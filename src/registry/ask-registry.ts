import { discard, request, type AskedServer } from './ask.ts'
import { authorization } from './authorize.ts'
import { challengesOf, pullScope, type Challenges } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { follow } from './follow.ts'

interface Asker {
  readonly registry: AskedServer
  /** What a token must allow: `repository:library/alpine:pull` */
  readonly scope: string
  /** Called only if the registry wants credentials, which go to it and its token service only. */
  readonly credentials: () => Promise<Credentials | undefined>
}

interface Answer {
  readonly response: Response
  /** The one that answered: the registry, or another one that it redirects to. */
  readonly server: AskedServer
}

/**
 * Requests something of a registry, with credentials if it refuses to answer without. Follows redirects to other
 * registries, as a stranger there.
 *
 * @param types media types to accept
 * @throws TrustError REGISTRY if there is no response, or what the registry wants cannot be had
 */
export async function askRegistry(url: URL, types: readonly string[], asker: Asker): Promise<Answer> {
  const headers = { Accept: types.join(', ') }
  const stranger = await follow(url, headers)
  const known = await unlessRefused(stranger, headers, asker)
  // Some registries redirect only those whom they know.
  const moved = new URL(known.url).origin !== new URL(stranger.url).origin
  const response = moved ? await unlessRefused(known, headers, asker) : known
  return { response, server: serverOf(response, asker.registry) }
}

/** Returns the response or, if that refuses a stranger, the one to the credentials that it asks for. */
async function unlessRefused(
  response: Response,
  headers: Readonly<Record<string, string>>,
  { registry, scope, credentials }: Asker,
): Promise<Response> {
  if (response.status < 400 || response.status > 499) return response
  const challenges = await challengesFor(response)
  if (challenges.size === 0 && response.status !== 401) return response
  await discard(response)
  const server = serverOf(response, registry)
  const auth =
    server === registry
      ? await authorization(challenges, server, scope, await credentials())
      : await authorization(challenges, server, pullScope(challenges) ?? scope, undefined)
  return follow(new URL(response.url), { ...headers, Authorization: auth })
}

/** Some registries refuse strangers, or hide what they have from them, without a word about credentials. */
async function challengesFor(refusal: Response): Promise<Challenges> {
  const challenges = challengesOf(refusal)
  if (challenges.size > 0) return challenges
  // Docker asks here first whether it needs any.
  const root = await request(new URL('/v2/', refusal.url)).catch(async (error: unknown) => {
    await discard(refusal)
    throw error
  })
  await discard(root)
  return challengesOf(root)
}

function serverOf(response: Response, registry: AskedServer): AskedServer {
  const { origin } = new URL(response.url)
  if (origin === new URL(registry.url).origin) return registry
  return { url: origin, name: `${registry.name}, which redirects to ${origin},` }
}
