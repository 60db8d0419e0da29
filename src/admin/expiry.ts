import { z } from 'zod'
import { allTokens } from '../access/api-token.ts'
import { allEndings, DAMAGED, EXPIRY_HORIZON, rootCertificatesEnd, type Ending } from '../repository/expiry.ts'
import { heldRoles } from '../repository/roots/rotation-policy.ts'
import type { Trust } from '../repository/trust.ts'
import { missingKeys, missingKeysOfSigners } from '../repository/unusable-keys.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Root } from '../tuf/root.ts'
import { adviceFor } from './advice.ts'
import { list, time } from './answers.ts'
import { operation, type World } from './operation.ts'

const DAY = 86_400_000
/** A hundred years: includes everything. */
export const DAYS_MAX = 36_500

/** One line of `expiry`. */
const expiryRow = z.lazy(() =>
  z.object({
    gun: z.string().nullable().meta({ description: 'name of the repository; null for what belongs to none' }),
    what: z.string().meta({
      description:
        'what ends: a role, root certificate, targets key, token NAME, server CA …; missing keys: the server holds them and cannot use them',
    }),
    ends: time,
    daysLeft: z.int().meta({ description: 'days until the end; below 0: it has ended' }),
    todo: z.string().meta({ description: 'what to do about it, usually a command' }),
  }),
)
type ExpiryRow = z.output<typeof expiryRow>

export const showExpiry = operation({
  name: 'expiry',
  method: 'GET',
  path: '/expiry',
  summary: 'Everything that ends, soonest first, and what to do about it.',
  action: 'admin',
  input: z.strictObject({
    days: z.coerce
      .number()
      .min(0)
      .max(DAYS_MAX)
      .default(DAYS_MAX)
      .meta({ description: 'only what ends within this many days' }),
  }),
  answer: () => list(expiryRow),
  async run(world, { days }) {
    const now = world.trust.now()
    const gone = world.gone?.()
    const found = await collectEndings(world, now + days * DAY, gone)
    const advice = await adviceFor(world, await world.certificates())
    const rows: ExpiryRow[] = []
    for (const ending of found) {
      gone?.throwIfAborted()
      const { gun = null, what, expires } = ending
      const ends = new Date(expires).toISOString()
      rows.push({ gun, what, ends, daysLeft: Math.floor((expires - now) / DAY), todo: await advice(ending) })
    }
    return rows
  },
})

/**
 * Returns what ends of all repositories, tokens, and the server's certificates, soonest first; and, as ending now, keys that
 * the server has lost.
 *
 * @param until milliseconds since 1970
 * @param gone aborted to stop, with its reason
 */
export async function collectEndings(
  { trust, certificates, keyAge, keyFault }: Pick<World, 'trust' | 'certificates' | 'keyAge' | 'keyFault'>,
  until: number,
  gone?: AbortSignal,
): Promise<Ending[]> {
  const found = [
    ...(await allEndings(
      trust,
      until,
      async (gun, roles) => {
        // After that, no key can be rotated any more.
        if ((rootCertificatesEnd(roles.root) ?? Infinity) <= trust.now()) return []
        const aged = keyAge === undefined ? [] : agedKeys(trust, gun, roles, keyAge)
        return [...aged, ...(await missingKeys(trust, gun, roles, keyFault))]
      },
      gone,
    )),
    ...(await missingKeysOfSigners(trust, keyFault)),
    ...(await tokenEndings(trust)),
    ...(await certificates()),
  ]
  // What counts as ending now may have been found after `until`, if that was now, too.
  const last = Math.max(until, trust.now())
  return found.filter(({ expires }) => expires <= last).toSorted((one, other) => one.expires - other.expires)
}

/** Leaves out those that ended long ago: nobody waits for them any more, and they would outnumber everything else. */
async function tokenEndings({ store, now }: Trust): Promise<Ending[]> {
  const { values, damaged } = await allTokens(store)
  const first = now() - EXPIRY_HORIZON
  const ends = values.flatMap(({ name, expires, revoked }) =>
    revoked || expires === null || expires < first ? [] : [{ what: `token ${name}`, expires }],
  )
  return damaged.length === 0 ? ends : [...ends, { what: DAMAGED, expires: now() }]
}

/** Returns the keys that the server signs with, and when each reaches the age for rotation. */
function agedKeys(trust: Trust, gun: Gun, roles: Root['roles'], age: number): Ending[] {
  return heldRoles(trust, gun, roles).map(({ role, since }) => ({ gun, what: `${role} key`, expires: since + age }))
}
