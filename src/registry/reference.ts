import { isLoopback } from '../loopback.ts'
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

/** Image names give Docker Hub one host, it answers under another, and docker keeps its credentials under a third name. */
const HUB = { host: 'docker.io', registry: 'registry-1.docker.io', account: 'https://index.docker.io/v1/' }

/** Image paths that docker accepts; names of trust data can be others. */
const PATH = /^[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*(?:\/[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*)*$/

/** Returns the registry of a repository's images: the name up to the first slash if that can be a host, else Docker Hub. */
export function registryPlace(gun: Gun): RegistryPlace {
  const { host, repository } = asDockerReads(gun)
  if (host === HUB.host) return { url: `https://${HUB.registry}`, repository, account: HUB.account }
  // Like docker, allow HTTP on this machine.
  const scheme = isLoopback(host.replace(/:\d+$/, '')) ? 'http' : 'https'
  return { url: `${scheme}://${host}`, repository, account: host }
}

/** Returns the name under which docker looks up trust data of these images: `docker.io/library/alpine` for `alpine`. */
export function nameInDocker(gun: Gun): string {
  const { host, repository } = asDockerReads(gun)
  return `${host}/${repository}`
}

/** False if docker would say `invalid reference format`, or read a tag in the name. */
export function isNameInDocker(gun: Gun): boolean {
  return PATH.test(asDockerReads(gun).repository)
}

function asDockerReads(gun: Gun): { host: string; repository: string } {
  const slash = gun.indexOf('/')
  const first = slash === -1 ? '' : gun.slice(0, slash)
  // Image paths have no upper-case letters.
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  const host = isHost ? first : HUB.host
  const rest = isHost ? gun.slice(slash + 1) : gun
  if (host !== HUB.host && host !== 'index.docker.io') return { host, repository: rest }
  return { host: HUB.host, repository: rest.includes('/') ? rest : `library/${rest}` }
}
