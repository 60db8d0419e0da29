import { planRoot } from '../../admin/roots.ts'
import {
  FORMER_KEY,
  PINNED_CERTIFICATES,
  PINNED_KEYS,
  type RotationPlan,
} from '../../repository/roots/rotation-plan.ts'
import type { Connection } from '../connection/connection.ts'
import { EXIT } from '../exit.ts'
import { forEachRepository } from '../fleet.ts'
import { rolesIn, type AskedRoles } from '../root/asked-roles.ts'
import {
  nextAuthority,
  hasAuthorityOptions,
  keptCertificate,
  type AuthorityOptions,
  type NextAuthority,
} from '../root/authority.ts'
import { knownRootKeys, namedRootKeys, type KnownRootKey } from '../root/known-keys.ts'
import { print, printJson } from '../terminal/print.ts'
import { isWaiting, plansText, type Plan, type Unplanned } from './plan-text.ts'

export interface PlanOptions extends AuthorityOptions {
  readonly stage?: true
  readonly json?: true
}

/** Prints what a rotation would do. @returns the exit code that the rotation would have */
export async function plan(
  connection: Connection,
  guns: readonly string[],
  asked: AskedRoles,
  options: PlanOptions,
): Promise<number> {
  const here = await knownRootKeys(connection)
  const found = await forEachRepository(guns, async (gun): Promise<Plan> => {
    const roles = await rolesIn(connection, gun, asked)
    const before = withHolders(await connection.call(planRoot, { gun, roles }), here)
    const said = hasAuthorityOptions(roles, options) && before.obstacles.length === 0
    if (!said) return before
    return planned(before, nextAuthority(await namedRootKeys(connection), before, options), options)
  })
  const plans = found.map((each): Plan | Unplanned =>
    'error' in each ? { gun: each.gun, roles: asked.named, obstacles: [each.error] } : each,
  )
  if (options.json === true) printJson(plans)
  else print(plansText(plans, options))
  const done = plans.every((each) => each.obstacles.length === 0 && (options.stage === true || !isWaiting(each)))
  return done ? EXIT.ok : EXIT.negative
}

function withHolders(found: RotationPlan, all: readonly KnownRootKey[]): Plan {
  const known = [...new Set(found.signers)].flatMap((id) => all.filter(({ keyId }) => keyId === id))
  const here = known.filter(({ holder }) => holder === 'sealed here')
  return { ...found, known, waits: here.length < found.threshold }
}

/** Adds the chosen root keys to a plan: those that need a new certificate must be here, since they sign it themselves. */
function planned(found: Plan, { keys, threshold }: NextAuthority, { renew }: PlanOptions): Plan {
  const certified = keys.filter((key) => keptCertificate(found, key, renew) === undefined)
  const offline = certified.filter(({ sealed }) => sealed === null)
  const stay = threshold <= found.threshold && found.signers.every((id) => keys.some(({ keyId }) => keyId === id))
  const same = stay && keys.length === found.signers.length
  const untrue = [
    ...(stay ? [FORMER_KEY] : []),
    ...(same ? [PINNED_KEYS] : []),
    ...(same && certified.length === 0 ? [PINNED_CERTIFICATES] : []),
  ]
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
