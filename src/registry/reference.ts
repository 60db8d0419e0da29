import { isLoopback } from '../loopback.ts'
import { HUB_HOST, partsInDocker } from '../tuf/docker-name.ts'
import type { Gun } from '../tuf/gun.ts'

/** Where a repository's images are. */
export interface RegistryPlace {
  /** Base URL without a trailing slash: `https://registry-1.docker.io`. */
  readonly url: string
  /** Path below it: `library/alpine`. */
  readonly repository: string
  /** The key of the registry's credentials in docker's configuration. */
  readonly account: string
}

/** Docker Hub answers under another host than names give it, and docker keeps its credentials under a third name. */
const HUB = { registry: 'registry-1.docker.io', account: 'https://index.docker.io/v1/' }

/** Returns the registry of a repository's images: the name up to the first slash if that can be a host, else Docker Hub. */
export function registryPlace(gun: Gun): RegistryPlace {
  const { host, repository } = partsInDocker(gun)
  if (host === HUB_HOST) return { url: `https://${HUB.registry}`, repository, account: HUB.account }
  // Like docker, allow HTTP on this machine.
  const scheme = isLoopback(host.replace(/:\d+$/, '')) ? 'http' : 'https'
  return { url: `${scheme}://${host}`, repository, account: host }
}
