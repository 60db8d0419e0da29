import { TrustError } from '../errors.ts'
import { isLoopback } from '../loopback.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import { bodyOf, failure, redirectHint, request, type AskedServer } from './ask.ts'
import { authorization } from './authorize.ts'
import { challengesOf } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { certificateFault } from './trust-authority.ts'
import { documentMaxBytes, type TrustSource, type Which } from './trust-data.ts'

interface NotaryServerOptions {
  /** By this name docker's configuration has the credentials; for messages only. The server's host by default. */
  readonly account?: string
  /** Asked for only if the server wants some; they are sent to it and to its token service only. */
  readonly credentials: () => Promise<Credentials | undefined>
}

/** Before it hands out a timestamp it makes a snapshot anew that has ended; without the key for it it cannot. */
const ENDED =
  'a Notary server answers so, for one, where the snapshot has ended and its publisher alone could sign another:' +
  ' then take it from a cache (--from ~/.docker/trust)'

/** A scope that gives no more than reading: what a token is good for, the server that gets it can do elsewhere too. */
const PULL_SCOPE = /^repository:[^\s,]+:pull$/

/**
 * A repository at another Notary server, read over HTTPS as its clients do (wire spec §2). What the server gave
 * entrance by is used for all requests until it wants another.
 *
 * @param url `https://notary.docker.io`, with a path if the server is below one; `http://` on this machine only
 * @throws TrustError INVALID_PARAMETERS if that is no such URL
 */
export function notaryServer(url: string, gun: Gun, options: NotaryServerOptions): TrustSource {
  const server = serverAt(url, options.account)
  let entrance: string | undefined
  const get = (file: string): Promise<Response> =>
    request(new URL(`${server.url}/v2/${pathOf(gun)}/_trust/tuf/${file}`), {
      headers: entrance === undefined ? {} : { Authorization: entrance },
    })
  const ask = async (file: string): Promise<Response> => {
    const response = await get(file)
    if (response.status !== 401) return response
    const challenges = await challengesOf(response)
    const asked = challenges.get('bearer')?.get('scope') ?? ''
    const scope = PULL_SCOPE.test(asked) ? asked : `repository:${gun}:pull`
    entrance = await authorization(challenges, server, scope, await options.credentials())
    return get(file)
  }
  return {
    name: server.url,
    async document(role, which) {
      try {
        const response = await ask(fileOf(role, which))
        if (response.status === 200) return await bodyOf(response, server, documentMaxBytes(role))
        await response.body?.cancel()
        if (response.status === 404) return undefined
        if (response.status === 401 || response.status === 403) {
          throw failure(server, 'wants other credentials', `docker login ${server.account}, as one who may pull ${gun}`)
        }
        throw failure(server, `answers ${response.status}`, whyFailed(response, role))
      } catch (error) {
        throw certificateFault(error, '--tlscacert FILE') ?? error
      }
    },
  }
}

/** What may help; undefined: nobody knows. */
function whyFailed(response: Response, role: Role): string | undefined {
  if (role === 'timestamp' && response.status === 500) return ENDED
  if (response.status === 400 && response.url.startsWith('http:')) return 'it may speak TLS: name it with https://'
  return redirectHint(response, 'name that server, if it is the right one')
}

function serverAt(text: string, account: string | undefined): AskedServer {
  const url = URL.parse(text)
  // The text is not repeated: who writes credentials into it did not want them in a log.
  const refuse = (why: string): never => {
    throw new TrustError('INVALID_PARAMETERS', `the other server's URL ${why}`, {
      hint: 'https://notary.docker.io, say',
    })
  }
  if (url === null) return refuse('cannot be read')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return refuse('must begin with https://, unless the server is on this machine')
  }
  if (url.username !== '' || url.password !== '') return refuse('must be without user name and password')
  if (url.search !== '' || url.hash !== '') return refuse('must be without ? and #')
  // As a client takes it, a slash at its end would make the path begin with two.
  const place = `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  return { url: place, name: place, account: account ?? url.host }
}

/** Percent-encoded as clients do it, which leave `:`, `+` and `&` as they are (wire spec §1.1). */
function pathOf(gun: Gun): string {
  return encodeURI(gun).replace(/[?#]/g, encodeURIComponent)
}

function fileOf(role: Role, which: Which | undefined): string {
  if (which === undefined) return `${role}.json`
  return 'sha256' in which ? `${role}.${which.sha256}.json` : `${which.version}.${role}.json`
}
