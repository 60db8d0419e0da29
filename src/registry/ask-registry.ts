import { request, type AskedServer } from './ask.ts'
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
 * registries, as stranger there.
 *
 * @param types media types to accept
 * @throws TrustError REGISTRY if there is no response, or what the registry wants cannot be had
 */
export async function askRegistry(url: URL, types: readonly string[], asker: Asker): Promise<Answer> {
  const headers = { Accept: types.join(', ') }
  const answered = (response: Response): Answer => ({ response, server: serverOf(response, asker.registry) })
  const response = await follow(url, headers)
  if (response.status < 400 || response.status > 499) return answered(response)
  const challenges = await challengesFor(response)
  if (challenges.size === 0 && response.status !== 401) return answered(response)
  await response.body?.cancel()
  const { server } = answered(response)
  const auth =
    server === asker.registry
      ? await authorization(challenges, server, asker.scope, await asker.credentials())
      : await authorization(challenges, server, pullScope(challenges) ?? asker.scope, undefined)
  return answered(await follow(new URL(response.url), { ...headers, Authorization: auth }))
}

/** Some registries refuse strangers, or hide what they have from them, without a word about credentials. */
async function challengesFor(refusal: Response): Promise<Challenges> {
  const challenges = challengesOf(refusal)
  if (challenges.size > 0) return challenges
  // Docker asks here first whether it needs any.
  const root = await request(new URL('/v2/', refusal.url))
  await root.body?.cancel()
  return challengesOf(root)
}

function serverOf(response: Response, registry: AskedServer): AskedServer {
  const { origin } = new URL(response.url)
  if (origin === new URL(registry.url).origin) return registry
  return { url: origin, name: `${registry.name}, which redirects to ${origin},` }
}
