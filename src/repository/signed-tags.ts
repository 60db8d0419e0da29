import { setImmediate } from 'node:timers/promises'
import { damageIn, type TrustError } from '../errors.ts'
import type { Head } from '../store/store.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Metadata } from '../tuf/metadata.ts'
import { namesUnder } from '../tuf/paths.ts'
import type { TargetsRole } from '../tuf/role.ts'
import type { Root } from '../tuf/root.ts'
import { parseTargets, targetEntries, type Delegation } from '../tuf/targets.ts'
import { rootFault, whyExpired, whySkipped } from './client-view.ts'
import { loadCurrent } from './current.ts'
import { holdsRole } from './sign-role.ts'
import { signedHere } from './signed-here.ts'
import type { Readable } from './trust.ts'

/** A tag signed in a role. */
export interface SignedTag {
  readonly tag: string
  /** Hex SHA-256 of the image's manifest; null for a target signed only with another hash. */
  readonly digest: string | null
  /** Bytes of the manifest. */
  readonly length: number
  /** The role that signs it. */
  readonly role: string
  /** Why clients do not see it; missing if they do. */
  readonly unseen?: string
}

/** Everything signed in a repository. */
interface SignedTags {
  readonly tags: readonly SignedTag[]
  /** In the order of the walk, including those that have signed nothing. */
  readonly delegations: readonly Delegation[]
  /** About delegations that clients skip or see only in part, other than expired ones; and about damaged ones. */
  readonly warnings: readonly string[]
  /** Delegations that cannot be read, and why; their tags are missing. */
  readonly damaged: ReadonlyMap<string, TrustError>
}

/**
 * Returns the tags of all roles, whether or not clients see them. Lets other work run between two documents, since owners
 * choose their number and size.
 *
 * @param now milliseconds since 1970
 * @throws TrustError CORRUPT if targets is damaged, or every document with tags; STORE_UNAVAILABLE
 */
export async function signedTags(trust: Readable, gun: Gun, head: Head, root: Root, now: number): Promise<SignedTags> {
  const tags: SignedTag[] = []
  const delegations: Delegation[] = []
  const warnings: string[] = []
  const damaged = new Map<string, TrustError>()
  /** Why clients refuse the repository: without a document that they read and have not cached, they fail for every tag. */
  const refusals: string[] = []
  const read = (role: TargetsRole, above: string | undefined): Metadata | undefined => {
    try {
      return loadCurrent(trust, gun, head, role)
    } catch (error) {
      if (role === 'targets') throw error
      damaged.set(role, damageIn(error))
      const what = above === undefined ? 'clients refuse the repository, ' : ''
      const why = `${role} is damaged: ${what}its own tags are not known (countersign check)`
      warnings.push(why)
      if (above === undefined) refusals.push(why)
      return undefined
    }
  }
  /** @param paths allowed by all roles above, too @param above why clients do not get to this role */
  const walk = async (
    role: TargetsRole,
    paths: readonly string[],
    above: string | undefined,
    delegation?: Delegation,
  ): Promise<void> => {
    const metadata = read(role, above)
    if (metadata === undefined) return
    await setImmediate()
    const skipped = above === undefined && delegation ? whySkipped(metadata, delegation) : undefined
    const unread = above ?? skipped ?? whyExpired(head, role, now)
    const isUnder = namesUnder(paths)
    let outside = 0
    for (const { name, length, sha256: digest = null } of targetEntries(metadata)) {
      const isOutside = !isUnder(name)
      if (isOutside) outside += 1
      const unseen = unread ?? (isOutside ? `the paths of ${role} do not allow it` : undefined)
      tags.push({ tag: name, digest, length, role, ...(unseen === undefined ? {} : { unseen }) })
    }
    if (skipped !== undefined) warnings.push(skipped)
    if (unread === undefined && outside > 0) {
      warnings.push(`clients do not see ${outside} of the tags of ${role}: its paths do not allow them`)
    }
    for (const each of parseTargets(metadata).delegations.values()) {
      delegations.push(each)
      await walk(each.name, each.paths.filter(isUnder), unread, each)
    }
  }
  await walk('targets', [''], whyRefused(trust, gun, head, root, now))
  const [error] = damaged.values()
  if (error !== undefined && tags.length === 0) throw error
  const [unseen] = refusals
  const told = unseen === undefined ? tags : tags.map((tag) => ({ unseen, ...tag }))
  return { tags: told, delegations, warnings, damaged }
}

/** Says why clients refuse a repository; undefined if they read it. Ignores roles that the server renews on reads. */
export function whyRefused(trust: Readable, gun: Gun, head: Head, root: Root, now: number): string | undefined {
  const here = signedHere(head)
  const renewed = here && holdsRole(trust, gun, 'snapshot', root.roles.snapshot)
  const read = ['root', ...(here ? [] : ['timestamp']), ...(renewed ? [] : ['snapshot'])]
  const [ended] = read.flatMap((role) => whyExpired(head, role, now) ?? [])
  return ended ?? rootFault(root, gun, now)[0]
}
