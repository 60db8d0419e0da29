import { TrustError } from '../errors.ts'
import { isLoopback } from '../loopback.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'
import { bodyOf, discard, failure, request, type AskedServer } from './ask.ts'
import { authorization } from './authorize.ts'
import { challengesOf, pullScope } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { impatiently, type Patiently } from './patience.ts'
import { laterHint, redirectHint, saidReason } from './refusal.ts'
import { certificateFault } from './trust-authority.ts'
import { documentMaxBytes, type TrustSource, type Which } from './trust-source.ts'

interface NotaryServerOptions {
  /** The server's name in docker's configuration, for messages only. Default: its host. */
  readonly account?: string
  /** Called only if the server wants credentials, which go to it and its token service only. */
  readonly credentials: () => Promise<Credentials | undefined>
  /** Default: fails if the server asks to wait. */
  readonly patiently?: Patiently
}

/** Before it hands out a timestamp, a Notary server renews an expired snapshot, and fails if it lacks the snapshot key. */
const ENDED =
  'a Notary server does so if, for example, the snapshot has expired and only its publisher can sign another:' +
  ' then take it from a cache (--from ~/.docker/trust)'

/**
 * Returns a source that reads a repository from another Notary server over HTTPS, as clients do (wire spec §2). Reuses
 * the `Authorization` value that the server accepted until it wants another.
 *
 * @param url `https://notary.docker.io`, with a path if the server is below one; `http://` on this machine only
 * @throws TrustError INVALID_PARAMETERS for any other URL
 */
export function notaryServer(url: string, gun: Gun, options: NotaryServerOptions): TrustSource {
  const server = serverAt(url, options.account)
  let entrance: string | undefined
  const { patiently = impatiently } = options
  const get = (file: string): Promise<Response> =>
    patiently(() =>
      request(new URL(`${server.url}/v2/${pathOf(gun)}/_trust/tuf/${file}`), {
        headers: entrance === undefined ? {} : { Authorization: entrance },
      }),
    )
  const ask = async (file: string): Promise<Response> => {
    const response = await get(file)
    if (response.status !== 401) return response
    await discard(response)
    const challenges = challengesOf(response)
    const scope = pullScope(challenges) ?? `repository:${gun}:pull`
    entrance = await authorization(challenges, server, scope, await options.credentials(), patiently)
    return get(file)
  }
  return {
    name: server.url,
    async document(role, which) {
      try {
        const response = await ask(fileOf(role, which))
        if (response.status === 200) return await bodyOf(response, server, documentMaxBytes(role))
        if (response.status === 404) {
          await discard(response)
          return undefined
        }
        const why = await saidReason(response)
        if (response.status === 401 || response.status === 403) {
          throw failure(server, `denies access${why}`, `docker login ${server.account}, as a user who may pull ${gun}`)
        }
        throw failure(server, `answers ${response.status}${why}`, whyFailed(response, role))
      } catch (error) {
        throw certificateFault(error, '--tlscacert FILE') ?? error
      }
    },
  }
}

/** Returns a hint; undefined if there is none. */
function whyFailed(response: Response, role: Role): string | undefined {
  if (role === 'timestamp' && response.status === 500) return ENDED
  if (response.status === 400 && response.url.startsWith('http:')) return 'it may speak TLS: name it with https://'
  return redirectHint(response, 'name that server, if it is the right one') ?? laterHint(response)
}

function serverAt(text: string, account: string | undefined): Required<AskedServer> {
  const url = URL.parse(text)
  // Do not quote the URL: if it contains credentials, they must not end up in a log.
  const refuse = (why: string): never => {
    throw new TrustError('INVALID_PARAMETERS', `the other server's URL ${why}`, {
      hint: 'for example https://notary.docker.io',
    })
  }
  if (url === null) return refuse('cannot be read')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return refuse('must begin with https://, unless the server is on this machine')
  }
  if (url.username !== '' || url.password !== '') return refuse('must not contain a user name or password')
  if (url.search !== '' || url.hash !== '') return refuse('must not contain ? or #')
  // With a trailing slash, clients ask for a path that begins with two.
  const place = `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  return { url: place, name: place, account: account ?? url.host }
}

/** Percent-encodes a GUN as clients do: `:`, `+` and `&` stay as they are (wire spec §1.1). */
function pathOf(gun: Gun): string {
  return encodeURI(gun).replace(/[?#]/g, encodeURIComponent)
}

function fileOf(role: Role, which: Which | undefined): string {
  if (which === undefined) return `${role}.json`
  return 'sha256' in which ? `${role}.${which.sha256}.json` : `${which.version}.${role}.json`
}
