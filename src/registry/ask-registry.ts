import { request, type AskedServer } from './ask.ts'
import { authorization } from './authorize.ts'
import { challengesOf } from './challenge.ts'
import type { Credentials } from './credentials.ts'

interface Asker {
  readonly registry: AskedServer
  /** What a token must allow: `repository:library/alpine:pull` */
  readonly scope: string
  /** Called only if the registry wants credentials. */
  readonly credentials: () => Promise<Credentials | undefined>
}

/**
 * Requests something of a registry, with credentials if it refuses to answer without.
 *
 * @param types media types to accept
 * @throws TrustError REGISTRY if there is no response, or what the registry wants cannot be had
 */
export async function askRegistry(url: URL, types: readonly string[], asker: Asker): Promise<Response> {
  const get = (authorized: Record<string, string> = {}): Promise<Response> =>
    request(url, { headers: { Accept: types.join(', '), ...authorized } })
  const response = await get()
  if (response.status < 400 || response.status > 499) return response
  let challenges = challengesOf(response)
  if (challenges.size === 0) {
    // Some registries refuse strangers, or hide what they have from them, without a word about credentials. Docker first
    // asks here whether it needs any.
    const root = await request(new URL('/v2/', url))
    await root.body?.cancel()
    challenges = challengesOf(root)
    if (challenges.size === 0 && response.status !== 401) return response
  }
  await response.body?.cancel()
  return get({ Authorization: await authorization(challenges, asker.registry, asker.scope, await asker.credentials()) })
}
