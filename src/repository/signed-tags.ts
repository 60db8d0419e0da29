import { setImmediate } from 'node:timers/promises'
import { damageIn, TrustError } from '../errors.ts'
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

/** A role to look at, with what clients make of the roles above it. */
interface Step {
  /** Undefined for targets. */
  readonly delegation: Delegation | undefined
  /** Why clients do not get as far as this role; undefined if they do. */
  readonly unreached: string | undefined
  /** True for names that all roles above allow. */
  readonly isAllowedAbove: (name: string) => boolean
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
  /** Why clients see no tag at all: they get to a document that is damaged, and stop there unless they have cached it. */
  let refused: string | undefined
  const first = {
    delegation: undefined,
    unreached: whyRefused(trust, gun, head, root, now),
    isAllowedAbove: () => true,
  }
  // The next one last. Each role is followed by those that it delegates.
  const steps: Step[] = [first]
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    const { delegation, unreached } = step
    if (delegation !== undefined) delegations.push(delegation)
    const role = delegation?.name ?? 'targets'
    const document = currentOrDamage(trust, gun, head, role)
    if (document instanceof TrustError) {
      if (role === 'targets') throw document
      damaged.set(role, document)
      const effect = unreached === undefined ? 'clients refuse the repository, ' : ''
      const warning = `${role} is damaged: ${effect}its own tags are not known (countersign check)`
      warnings.push(warning)
      if (unreached === undefined) refused ??= warning
      continue
    }
    if (document === undefined) continue
    await setImmediate()
    const read = readTags(step, document, whyExpired(head, role, now))
    // One by one: there may be more than a call may have arguments.
    for (const tag of read.tags) tags.push(tag)
    warnings.push(...read.warnings)
    steps.push(...read.below.toReversed())
  }
  const [damage] = damaged.values()
  if (damage !== undefined && tags.length === 0) throw damage
  return { tags: refused === undefined ? tags : allUnseen(tags, refused), delegations, warnings, damaged }
}

/** Returns the current document of a role, or why it cannot be read; undefined if it has signed nothing yet. */
function currentOrDamage(trust: Readable, gun: Gun, head: Head, role: TargetsRole): Metadata | TrustError | undefined {
  try {
    return loadCurrent(trust, gun, head, role)
  } catch (error) {
    return damageIn(error)
  }
}

/** Returns what a document signs and delegates, and warnings about it. @param expired why clients do not read it any more */
function readTags(
  { delegation, unreached, isAllowedAbove }: Step,
  document: Metadata,
  expired: string | undefined,
): { readonly tags: readonly SignedTag[]; readonly warnings: readonly string[]; readonly below: readonly Step[] } {
  const { role } = document
  const skipped = unreached === undefined && delegation ? whySkipped(document, delegation) : undefined
  const unread = unreached ?? skipped ?? expired
  const isAllowed = namesUnder(delegation?.paths.filter(isAllowedAbove) ?? [''])
  const tags = targetEntries(document).map(({ name: tag, length, sha256: digest = null }): SignedTag => {
    const unseen = unread ?? (isAllowed(tag) ? undefined : `the paths of ${role} do not allow it`)
    return { tag, digest, length, role, ...(unseen === undefined ? {} : { unseen }) }
  })
  const warnings = skipped === undefined ? [] : [skipped]
  const forbidden = unread === undefined ? tags.filter(({ unseen }) => unseen !== undefined).length : 0
  if (forbidden > 0)
    warnings.push(`clients do not see ${forbidden} of the tags of ${role}: its paths do not allow them`)
  const below = [...parseTargets(document).delegations.values()]
  return {
    tags,
    warnings,
    below: below.map((each) => ({ delegation: each, unreached: unread, isAllowedAbove: isAllowed })),
  }
}

/** A tag keeps its own reason, if it has one. */
function allUnseen(tags: readonly SignedTag[], unseen: string): SignedTag[] {
  return tags.map((tag) => ({ unseen, ...tag }))
}

/** Says why clients refuse a repository; undefined if they read it. Ignores roles that the server renews on reads. */
export function whyRefused(trust: Readable, gun: Gun, head: Head, root: Root, now: number): string | undefined {
  const here = signedHere(head)
  const renewed = here && holdsRole(trust, gun, 'snapshot', root.roles.snapshot)
  const read = ['root', ...(here ? [] : ['timestamp']), ...(renewed ? [] : ['snapshot'])]
  const [ended] = read.flatMap((role) => whyExpired(head, role, now) ?? [])
  return ended ?? rootFault(root, gun, now)
}
