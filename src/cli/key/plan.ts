import { planRoot } from '../../admin/roots.ts'
import { FORMER_KEY, PINNED_KEYS, type RotationPlan } from '../../repository/roots/rotation-plan.ts'
import type { Connection } from '../connection/connection.ts'
import { EXIT } from '../exit.ts'
import { forEachRepository } from '../fleet.ts'
import { rolesIn, type AskedRoles } from '../root/asked-roles.ts'
import {
  nextAuthority,
  hasAuthorityOptions,
  type AuthorityOptions,
  type NextAuthority,
  workText,
} from '../root/authority.ts'
import { RootKeyring } from '../root/keyring.ts'
import { knownRootKeys, knownKeyText, type KnownRootKey } from '../root/known-keys.ts'
import { print, printJson } from '../terminal/print.ts'
import { clientsText } from './clients-text.ts'

export interface PlanOptions extends AuthorityOptions {
  readonly stage?: true
  readonly json?: true
}

/** A plan, and what is known here about the root keys. */
type Plan = RotationPlan & {
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
type Unplanned = Pick<Plan, 'gun' | 'roles' | 'obstacles'>

/** Prints what a rotation would do. @returns the exit code that the rotation would have */
export async function plan(
  connection: Connection,
  guns: readonly string[],
  asked: AskedRoles,
  options: PlanOptions,
): Promise<number> {
  const keyring = new RootKeyring(connection, undefined)
  const here = knownRootKeys(await keyring.records())
  const found = await forEachRepository(guns, async (gun): Promise<Plan> => {
    const roles = await rolesIn(connection, gun, asked)
    const before = withHolders(await connection.call(planRoot, { gun, roles }), here)
    const said = hasAuthorityOptions(roles, options) && before.obstacles.length === 0
    return said ? planned(before, await nextAuthority(keyring, before, options)) : before
  })
  const plans = found.map((each): Plan | Unplanned =>
    'error' in each ? { gun: each.gun, roles: asked.named, obstacles: [each.error] } : each,
  )
  if (options.json === true) printJson(plans)
  else print(plansText(plans, options))
  const done = plans.every((each) => each.obstacles.length === 0 && (options.stage === true || !isWaiting(each)))
  return done ? EXIT.ok : EXIT.negative
}

function isWaiting(each: Plan | Unplanned): boolean {
  return 'waits' in each && each.waits
}

function withHolders(found: RotationPlan, all: readonly KnownRootKey[]): Plan {
  const known = [...new Set(found.signers)].flatMap((id) => all.filter(({ keyId }) => keyId === id))
  const here = known.filter(({ holder }) => holder === 'sealed here')
  return { ...found, known, waits: here.length < found.threshold }
}

/** Adds the chosen root keys to a plan: the new ones sign too, so they must be here. */
function planned(found: Plan, { keys, threshold }: NextAuthority): Plan {
  const offline = keys.filter(({ sealed }) => sealed === null)
  const stay = threshold <= found.threshold && found.signers.every((id) => keys.some(({ keyId }) => keyId === id))
  const same = stay && keys.length === found.signers.length
  const untrue = [...(stay ? [FORMER_KEY] : []), ...(same ? [PINNED_KEYS] : [])]
  return {
    ...found,
    breaks: found.breaks.filter((text) => !untrue.includes(text)),
    next: { threshold, keys: keys.map(({ name, keyId }) => ({ name, keyId })) },
    obstacles: [
      ...found.obstacles,
      ...offline.map(({ name }) => `the root key ${name} is offline: "countersign root import" it first`),
    ],
  }
}

/** Repositories for which the plan is the same, but for the name, share it: there may be hundreds. */
function plansText(plans: readonly (Plan | Unplanned)[], options: PlanOptions): string {
  const work = (each: Plan | Unplanned): string => workText(each.roles, options.renew, ['Renewing', 'Rotating'])
  const general = (each: Plan | Unplanned): string[] =>
    planLines({ ...each, obstacles: each.obstacles.map((text) => text.replaceAll(each.gun, 'GUN')) }, options)
  const alike = Map.groupBy(plans, (each) => [work(each), ...general(each)].join('\n'))
  const texts = [...alike.values()].map((group) => {
    const first = group[0]!
    if (group.length === 1) return [`${work(first)} of ${first.gun}`, ...planLines(first, options)].join('\n')
    const many = `${group.length} repositories`
    const names = group.map(({ gun }) => `    ${gun}`)
    return [`${work(first)} of ${many}`, ...general(first), `  these ${many}:`, ...names].join('\n')
  })
  return texts.join('\n\n')
}

function planLines(each: Plan | Unplanned, { stage }: PlanOptions): string[] {
  const obstacles = each.obstacles.map((text) => `  cannot be done: ${text}`)
  if (!('version' in each)) return obstacles
  const waits = each.waits && stage !== true && obstacles.length === 0
  return [
    `  root version ${each.version}, signed by ${each.threshold} of:`,
    ...each.signers.map((keyId) => `    ${keyId} ${knownKeyText(keyId, each.known)}`),
    ...(waits ? ['  it would wait for signatures: too few of these keys are sealed here'] : []),
    ...(each.next === undefined ? [] : [`  from then on each root is signed by ${each.next.threshold} of:`]),
    ...(each.next?.keys ?? []).map(({ name, keyId }) => `    ${keyId} ${name}`),
    `  signed by the server with it: ${each.serverSigns.join(', ')}`,
    ...clientsText(each.cachedRoots).map((text) => `  ${text}`),
    ...each.breaks.map((text) => `  breaks: ${text}`),
    ...obstacles,
  ]
}
