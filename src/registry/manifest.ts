import { hash } from 'node:crypto'
import { TrustError } from '../errors.ts'
import { askRegistry } from './ask-registry.ts'
import { bodyOf, discard, failure, type AskedServer } from './ask.ts'
import type { Credentials } from './credentials.ts'
import type { RegistryPlace } from './reference.ts'
import { laterHint, redirectHint, saidReason } from './refusal.ts'
import { certificateFault } from './trust-authority.ts'

/** The manifest that a tag names in a registry. */
export interface ManifestFacts {
  /** `sha256:…` */
  readonly digest: string
  /** Bytes. */
  readonly size: number
  /** When it was seen, RFC 3339. */
  readonly checkedAt: string
}

/** Image manifests and indexes of docker and OCI, for one platform or many. */
const TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]

/** Registries accept no larger manifests. */
const MANIFEST_MAX_BYTES = 4 * 1024 * 1024

const GIVE_BOTH = 'give the digest and size of the manifest'

/**
 * Asks a registry which manifest a tag names, as docker does (OCI distribution specification). Computes the digest from
 * the bytes received instead of trusting the one that the registry states.
 *
 * @param credentials called only if the registry wants credentials, which go to it and its token service only
 * @throws TrustError INVALID_PARAMETERS if the repository's name begins with no registry, NOT_FOUND if there is no such
 *   tag, REGISTRY otherwise
 */
export async function readManifest(
  place: RegistryPlace,
  tag: string,
  credentials: () => Promise<Credentials | undefined>,
  now: () => number = Date.now,
): Promise<ManifestFacts> {
  try {
    return await manifestIn(place, tag, credentials, now)
  } catch (error) {
    const expected = `/etc/docker/certs.d/${URL.parse(place.url)?.host}/ca.crt`
    throw certificateFault(error, `put its certificate where docker expects it, ${expected}`) ?? error
  }
}

async function manifestIn(
  place: RegistryPlace,
  tag: string,
  credentials: () => Promise<Credentials | undefined>,
  now: () => number,
): Promise<ManifestFacts> {
  const url = new URL(
    `/v2/${place.repository.split('/').map(encodeURIComponent).join('/')}/manifests/${encodeURIComponent(tag)}`,
    registryOf(place),
  )
  const registry: AskedServer = { url: place.url, name: `the registry ${place.url}`, account: place.account }
  const scope = `repository:${place.repository}:pull`
  const { response, server } = await askRegistry(url, TYPES, { registry, scope, credentials })
  if (response.status !== 200) throw await refusal(response, server, place, tag)
  // It is a login page, or a schema 1 manifest, which docker does not sign.
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? 'content of no type'
  if (!TYPES.includes(type)) {
    await discard(response)
    throw failure(server, `sends ${type.slice(0, 80)}, not an image manifest or index`)
  }
  const bytes = await bodyOf(response, server, MANIFEST_MAX_BYTES)
  const digest = `sha256:${hash('sha256', bytes, 'hex')}`
  const said = response.headers.get('docker-content-digest')
  if (said !== null && said.startsWith('sha256:') && said !== digest)
    throw failure(server, 'sends bytes that do not match the digest it gives')
  return { digest, size: bytes.length, checkedAt: new Date(now()).toISOString() }
}

async function refusal(
  response: Response,
  server: AskedServer,
  { url, repository }: RegistryPlace,
  tag: string,
): Promise<TrustError> {
  const { status } = response
  if (status === 404) {
    await discard(response)
    // Without that option docker tries to sign what it pushes, with keys that it does not have.
    const hint = 'DOCKER_CONTENT_TRUST=0 docker push, or give its digest and size'
    return new TrustError('NOT_FOUND', `${url} has no ${repository}:${tag}`, { hint })
  }
  const why = await saidReason(response)
  if (status === 401 || status === 403) {
    // Credentials do not follow a redirect.
    const hint =
      server.account === undefined ? GIVE_BOTH : 'check the name, or docker login with an account that may pull it'
    return failure(server, `denies access${why}`, hint)
  }
  if (status === 400 && server.url.startsWith('http:')) {
    const hint = 'it may speak TLS, which is not tried on this machine: give the digest and size'
    return failure(server, `answers 400${why}`, hint)
  }
  return failure(server, `answers ${status}${why}`, redirectHint(response, GIVE_BOTH) ?? laterHint(response))
}

/** Names of trust data may begin with something that is no registry: a host with a blank, a user and password, a query. */
function registryOf({ url: text }: RegistryPlace): URL {
  const url = URL.parse(text)
  if (url?.href === `${url?.origin}/`) return url
  throw new TrustError('INVALID_PARAMETERS', 'the repository name does not begin with a registry that can be asked', {
    hint: GIVE_BOTH,
  })
}
