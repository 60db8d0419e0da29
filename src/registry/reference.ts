import { isLoopback } from '../loopback.ts'
import type { Gun } from '../tuf/gun.ts'

/** Where the images of a repository are. */
export interface RegistryPlace {
  /** `https://registry-1.docker.io`, without a slash at the end. */
  readonly url: string
  /** Below it: `library/alpine`. */
  readonly repository: string
  /** By this name docker's configuration has the credentials. */
  readonly account: string
}

/** Docker Hub answers under another name than images carry, and has its credentials under a third one. */
const HUB = { host: 'docker.io', registry: 'registry-1.docker.io', account: 'https://index.docker.io/v1/' }

/** What docker takes for the path of images; names of trust data may be others. */
const PATH = /^[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*(?:\/[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*)*$/

/** The registry of a repository's images: its name up to the first slash, if that can be a host. */
export function registryPlace(gun: Gun): RegistryPlace {
  const { host, repository } = asDockerReads(gun)
  if (host === HUB.host) return { url: `https://${HUB.registry}`, repository, account: HUB.account }
  // As docker does it: who is on this machine may speak HTTP.
  const scheme = isLoopback(host.replace(/:\d+$/, '')) ? 'http' : 'https'
  return { url: `${scheme}://${host}`, repository, account: host }
}

/** The name under which docker looks for the trust data of these images: `docker.io/library/alpine` for `alpine`. */
export function nameInDocker(gun: Gun): string {
  const { host, repository } = asDockerReads(gun)
  return `${host}/${repository}`
}

/** False where docker says `invalid reference format`, or reads a tag in it. */
export function isNameInDocker(gun: Gun): boolean {
  return PATH.test(asDockerReads(gun).repository)
}

function asDockerReads(gun: Gun): { host: string; repository: string } {
  const slash = gun.indexOf('/')
  const first = slash === -1 ? '' : gun.slice(0, slash)
  // No path of images has a letter in upper case.
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  const host = isHost ? first : HUB.host
  const rest = isHost ? gun.slice(slash + 1) : gun
  if (host !== HUB.host && host !== 'index.docker.io') return { host, repository: rest }
  return { host: HUB.host, repository: rest.includes('/') ? rest : `library/${rest}` }
}
