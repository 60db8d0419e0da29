import type { CachedRoot } from '../../repository/roots/cached.ts'
import type { RotationPlan } from '../../repository/roots/rotation-plan.ts'
import { workText, type AuthorityOptions } from '../root/authority.ts'
import { knownKeyText, type KnownRootKey } from '../root/known-keys.ts'
import { counted } from '../terminal/print.ts'

/** A plan, and what is known here about the root keys. */
export type Plan = RotationPlan & {
  /** Those of `signers` that have a name here. */
  readonly known: readonly KnownRootKey[]
  /** True: too few of `signers` are sealed here, so the root that is made waits for signatures. */
  readonly waits: boolean
  /** The root keys that were chosen for it. */
  readonly next?: {
    readonly threshold: number
    readonly keys: readonly { readonly name: string; readonly keyId: string }[]
  }
}

/** A repository among many that cannot be planned; its obstacle says why. */
export type Unplanned = Pick<Plan, 'gun' | 'roles' | 'obstacles'>

/** The options of `key rotate` that matter to the text of its plans. */
interface Options extends Pick<AuthorityOptions, 'renew'> {
  readonly stage?: true
}

export function isWaiting(each: Plan | Unplanned): boolean {
  return 'waits' in each && each.waits
}

/**
 * Repositories for which the plan is the same, but for names and for root keys that are not here, share it: there may be
 * hundreds, each with an owner's root key of its own.
 */
export function plansText(plans: readonly (Plan | Unplanned)[], options: Options): string {
  const work = (each: Plan | Unplanned): string => workText(each.roles, options.renew, ['Renewing', 'Rotating'])
  const general = (each: Plan | Unplanned): Plan | Unplanned => {
    return { ...each, obstacles: each.obstacles.map((text) => text.replaceAll(each.gun, 'GUN')) }
  }
  const alike = Map.groupBy(plans, (each) => [work(each), ...planLines(general(each), options, 'counted')].join('\n'))
  const texts = [...alike].map(([shared, group]) => {
    const first = group[0]!
    const whole = planLines(group.length === 1 ? first : general(first), options)
    if (group.length === 1) return [`${work(first)} of ${first.gun}`, ...whole].join('\n')
    const many = `${group.length} repositories`
    const names = group.map(({ gun }) => `    ${gun}`)
    const sameKeys = new Set(group.map((each) => ('signers' in each ? each.signers.join() : ''))).size === 1
    const lines = sameKeys ? whole : shared.split('\n').slice(1)
    return [`${work(first)} of ${many}`, ...lines, `  these ${many}:`, ...names].join('\n')
  })
  return (texts.length === 1 ? texts : [...texts, summary(plans, options)]).join('\n\n')
}

function summary(plans: readonly (Plan | Unplanned)[], { stage }: Options): string {
  const refused = plans.filter(({ obstacles }) => obstacles.length > 0).length
  const waiting = plans.filter((each) => each.obstacles.length === 0 && isWaiting(each) && stage !== true).length
  const parts = [
    [plans.length - refused - waiting, 'can be done'],
    [waiting, 'would wait for signatures'],
    [refused, 'cannot be done'],
  ] as const
  const told = parts.flatMap(([count, text]) => (count === 0 ? [] : [`${count} ${text}`]))
  return `Of ${plans.length} repositories: ${told.join(', ')}`
}

/** @param strangers how to tell of root keys that are not here: each by its id, or how many there are */
function planLines(each: Plan | Unplanned, { stage }: Options, strangers: 'named' | 'counted' = 'named'): string[] {
  const obstacles = each.obstacles.map((text) => `  cannot be done: ${text}`)
  if (!('version' in each)) return obstacles
  const waits = each.waits && stage !== true && obstacles.length === 0
  const isKnown = (id: string): boolean => each.known.some(({ keyId }) => keyId === id)
  const named = strangers === 'named' ? each.signers : each.signers.filter(isKnown)
  const others = each.signers.length - named.length
  return [
    `  root version ${each.version}, signed by ${each.threshold} of:`,
    ...named.map((keyId) => `    ${keyId} ${knownKeyText(keyId, each.known)}`),
    ...(others === 0 ? [] : [`    not here: ${counted(others, 'key', 'keys')}, not the same for all of them`]),
    ...(waits ? ['  it would wait for signatures: too few of these keys are sealed here'] : []),
    ...(each.next === undefined ? [] : [`  from then on each root is signed by ${each.next.threshold} of:`]),
    ...(each.next?.keys ?? []).map(({ name, keyId }) => `    ${keyId} ${name}`),
    `  signed by the server with it: ${each.serverSigns.join(', ')}`,
    ...clientsText(each.cachedRoots).map((text) => `  ${text}`),
    ...each.breaks.map((text) => `  breaks: ${text}`),
    ...obstacles,
  ]
}

/**
 * Says which clients follow to the next root, in lines. Old roots of one fate share a line: a repository may have dozens.
 *
 * @param roots in the order of their versions
 */
function clientsText(roots: readonly CachedRoot[]): string[] {
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
