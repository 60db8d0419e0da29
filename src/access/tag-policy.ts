import type { Gun } from '../tuf/gun.ts'
import { matches } from './permission.ts'

/** A rule for what somebody may have signed: every tag must fit at least one. */
export interface TagRule {
  /** A GUN, a prefix that ends in `/*`, or `*`. */
  readonly guns: string
  /** Pattern of tags; `*` stands for any characters: `v*`, `release-*-rc`. */
  readonly tags: string
  /** True: a tag that already names another digest may be moved or removed. */
  readonly move: boolean
  /** Most minutes since the caller looked at the manifest in the registry; null: it need not have. */
  readonly checkedWithinMinutes: number | null
}

/** A change to one tag. */
interface TagIntent {
  readonly gun: Gun
  readonly tag: string
  /** True if the tag names another digest now, or is to be removed. */
  readonly moves: boolean
  /** When the caller saw the manifest in the registry, milliseconds since 1970. */
  readonly checkedAt: number | undefined
}

/**
 * Returns why a tag may not be signed, by the rule that comes nearest; undefined if a rule allows it.
 *
 * @param now milliseconds since 1970
 */
export function refusalOf(rules: readonly TagRule[], intent: TagIntent, now: number): string | undefined {
  const { gun, tag, moves, checkedAt } = intent
  const ofGun = rules.filter(({ guns }) => matches(guns, gun))
  if (ofGun.length === 0) return `no rule names ${gun}`
  const ofTag = ofGun.filter(({ tags }) => fits(tags, tag))
  if (ofTag.length === 0) return `no rule for ${gun} allows the tag ${tag}: ${ofGun.map(({ tags }) => tags).join(', ')}`
  const moving = ofTag.filter(({ move }) => move || !moves)
  if (moving.length === 0)
    return `the rule ${ofTag[0]?.guns} ${ofTag[0]?.tags} does not allow ${tag} to be moved or removed`
  const ages = moving.map(({ checkedWithinMinutes }) => checkedWithinMinutes)
  const age = checkedAt === undefined ? Infinity : (now - checkedAt) / 60_000
  if (ages.some((limit) => limit === null || (age >= -1 && age <= limit))) return undefined
  return `the manifest must have been checked in the registry within the last ${Math.max(...ages.map(Number))} minutes`
}

/** Matches in time linear in the tag's length for each star of the pattern. */
function fits(pattern: string, tag: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === tag
  const last = rest.pop() ?? ''
  if (!tag.startsWith(first) || !tag.endsWith(last) || tag.length < first.length + last.length) return false
  let at = first.length
  const end = tag.length - last.length
  for (const part of rest) {
    const found = tag.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
