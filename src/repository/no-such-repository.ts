import { TrustError } from '../errors.ts'
import { nameInDocker } from '../tuf/docker-name.ts'

/** @param create how to make one, for the hint @throws TrustError NOT_FOUND */
export function noSuchRepository(gun: string, create?: string): never {
  const hint = nameHint(gun) ?? `"countersign repo list" prints all names${create === undefined ? '' : `; ${create}`}`
  throw new TrustError('NOT_FOUND', `there is no repository ${gun}`, { hint })
}

/** People are used to typing images with a tag, and those of Docker Hub without its name. */
function nameHint(gun: string): string | undefined {
  const [, untagged] = /^((?:.*\/)?[^/]+):[^/:]+$/.exec(gun) ?? []
  const name = nameInDocker(untagged ?? gun)
  if (untagged !== undefined) return `names have no tag: ${name}`
  return name === gun ? undefined : `docker's name for it is ${name}; "countersign repo list" prints all names`
}
