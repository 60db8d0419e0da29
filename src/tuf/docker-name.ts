/** The host of Docker Hub in the names of images. */
export const HUB_HOST = 'docker.io'

/** Image paths that docker accepts; names of trust data can be others. */
const PATH = /^[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*(?:\/[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*)*$/

/** Returns the name under which docker looks up trust data of these images: `docker.io/library/alpine` for `alpine`. */
export function nameInDocker(gun: string): string {
  const { host, repository } = partsInDocker(gun)
  return `${host}/${repository}`
}

/** False if docker would say `invalid reference format`, or read a tag in the name. */
export function isNameInDocker(gun: string): boolean {
  return PATH.test(partsInDocker(gun).repository)
}

/** Splits a name as docker does: the part before the first slash if that can be a host, else Docker Hub. */
export function partsInDocker(gun: string): { host: string; repository: string } {
  const slash = gun.indexOf('/')
  const first = slash === -1 ? '' : gun.slice(0, slash)
  // Image paths have no upper-case letters.
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  const host = isHost ? first : HUB_HOST
  const rest = isHost ? gun.slice(slash + 1) : gun
  if (host !== HUB_HOST && host !== 'index.docker.io') return { host, repository: rest }
  return { host: HUB_HOST, repository: rest.includes('/') ? rest : `library/${rest}` }
}
