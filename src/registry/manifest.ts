import { hash } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { isLoopback } from '../loopback.ts'
import type { Credentials } from './credentials.ts'
import type { RegistryPlace } from './reference.ts'

/** What a tag names in a registry. */
export interface ManifestFacts {
  /** `sha256:…` */
  readonly digest: string
  /** Bytes. */
  readonly size: number
  /** When it was seen, RFC 3339. */
  readonly checkedAt: string
}

/** Image manifests and indexes of docker and OCI: of many platforms or of one. */
const TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]

/** Registries take no larger ones. */
const MANIFEST_MAX_BYTES = 4 * 1024 * 1024
const TOKEN_MAX_BYTES = 256 * 1024
/** Milliseconds. */
const TIMEOUT = 30_000

/**
 * Ask a registry what a tag names, as docker would (OCI distribution specification). The digest is that of the bytes
 * that it sends, not what it says it is.
 *
 * @param credentials asked for only if the registry wants some; they are sent to it and to its token service only
 * @throws TrustError NOT_FOUND if there is no such tag, REGISTRY otherwise
 */
export async function readManifest(
  place: RegistryPlace,
  tag: string,
  credentials: () => Promise<Credentials | undefined>,
  now: () => number = Date.now,
): Promise<ManifestFacts> {
  const url = new URL(
    `/v2/${place.repository.split('/').map(encodeURIComponent).join('/')}/manifests/${encodeURIComponent(tag)}`,
    place.url,
  )
  let response = await ask(url, undefined)
  if (response.status === 401) {
    const challenge = response.headers.get('www-authenticate') ?? ''
    await response.body?.cancel()
    response = await ask(url, await authorization(challenge, place, await credentials()))
  }
  if (response.status === 404) throw new TrustError('NOT_FOUND', `${place.url} has no ${place.repository}:${tag}`)
  if (response.status === 401 || response.status === 403) {
    throw failure(place, 'wants other credentials', 'docker login, with the account that may pull it')
  }
  if (response.status !== 200) throw failure(place, `answers ${response.status}`)
  // A login page, or a manifest of the first kind, which docker does not sign.
  const type = response.headers.get('content-type')?.split(';')[0]?.trim() ?? 'nothing that it names'
  if (!TYPES.includes(type)) {
    await response.body?.cancel()
    throw failure(place, `sends ${type.slice(0, 80)}, no manifest or index of an image`)
  }
  const bytes = await bodyOf(response, place, MANIFEST_MAX_BYTES)
  const digest = `sha256:${hash('sha256', bytes, 'hex')}`
  const said = response.headers.get('docker-content-digest')
  if (said !== null && said.startsWith('sha256:') && said !== digest)
    throw failure(place, 'sends bytes that are not what it says they are')
  return { digest, size: bytes.length, checkedAt: new Date(now()).toISOString() }
}

/** Redirects are not followed: a manifest comes from the registry itself. */
async function ask(url: URL, auth: string | undefined): Promise<Response> {
  const headers = { Accept: TYPES.join(', '), ...(auth === undefined ? {} : { Authorization: auth }) }
  return request(url, { headers, redirect: 'manual' })
}

async function request(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT) })
  } catch (cause) {
    throw new TrustError('REGISTRY', `cannot reach ${url.origin}`, { hint: 'check the name, and that it is up', cause })
  }
}

async function authorization(
  challenge: string,
  place: RegistryPlace,
  credentials: Credentials | undefined,
): Promise<string> {
  const basic =
    credentials && `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  if (/^basic\b/i.test(challenge)) {
    if (basic === undefined || credentials?.password === '')
      throw failure(place, 'wants a password', `docker login ${place.account}`)
    return basic
  }
  if (!/^bearer\b/i.test(challenge)) throw failure(place, 'wants credentials of an unknown kind')
  const parameter = (name: string): string | undefined => new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(challenge)?.[1]
  const realm = URL.parse(parameter('realm') ?? '')
  // Credentials go out encrypted, unless registry and token service are on this machine.
  const local = place.url.startsWith('http:') && realm?.protocol === 'http:' && isLoopback(realm.hostname)
  if (realm === null || (realm.protocol !== 'https:' && !local)) {
    throw failure(place, 'names a token service that cannot be used')
  }
  const service = parameter('service')
  const wish = { ...(service === undefined ? {} : { service }), scope: `repository:${place.repository}:pull` }
  const response = await askForToken(realm, wish, basic, credentials?.identityToken)
  if (response.status !== 200)
    throw failure(place, `gives no token: ${response.status}`, `docker login ${place.account}`)
  const answer = await bodyOf(response, place, TOKEN_MAX_BYTES)
  try {
    const { token, access_token: other } = JSON.parse(answer.toString()) as { token?: unknown; access_token?: unknown }
    const text = token ?? other
    if (typeof text === 'string' && /^[\x21-\x7e]+$/.test(text)) return `Bearer ${text}`
  } catch {
    // Said below.
  }
  throw failure(place, 'gives no token')
}

/** As docker does it: with an identity token by OAuth 2, otherwise by the registry token protocol. */
function askForToken(
  realm: URL,
  wish: Readonly<Record<string, string>>,
  basic: string | undefined,
  identityToken: string | undefined,
): Promise<Response> {
  if (identityToken !== undefined) {
    const form = { ...wish, grant_type: 'refresh_token', refresh_token: identityToken, client_id: 'countersign' }
    return request(realm, { redirect: 'manual', method: 'POST', body: new URLSearchParams(form) })
  }
  for (const [name, value] of Object.entries(wish)) realm.searchParams.set(name, value)
  return request(realm, { redirect: 'manual', headers: basic === undefined ? {} : { Authorization: basic } })
}

async function bodyOf(response: Response, place: RegistryPlace, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of response.body ?? []) {
      size += (chunk as Uint8Array).length
      if (size > limit) throw failure(place, `sends more than ${limit} bytes`)
      chunks.push(chunk as Uint8Array)
    }
  } catch (cause) {
    if (cause instanceof TrustError) throw cause
    throw failure(place, 'ended its answer early')
  }
  return Buffer.concat(chunks)
}

function failure(place: RegistryPlace, what: string, hint?: string): TrustError {
  return new TrustError('REGISTRY', `the registry ${place.url} ${what}`, hint === undefined ? {} : { hint })
}
