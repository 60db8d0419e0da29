import type { CachedRoot } from '../../repository/roots/cached.ts'

/**
 * Says which clients follow to the next root, in lines. Old roots of one fate share a line: a repository may have dozens.
 *
 * @param roots in the order of their versions
 */
export function clientsText(roots: readonly CachedRoot[]): string[] {
  const fates: { first: number; last: number; why: string }[] = []
  for (const { version, follows, why = '' } of roots) {
    if (follows) continue
    const fate = fates.at(-1)
    if (fate?.why === why && fate.last === version - 1) fate.last = version
    else fates.push({ first: version, last: version, why })
  }
  if (fates.length === 0) return ['all clients follow, whichever root they have cached']
  return fates.map(({ first, last, why }) => {
    const versions = first === last ? `version ${first}` : `versions ${first} to ${last}`
    return `clients with root ${versions} do not follow: ${why}`
  })
}
