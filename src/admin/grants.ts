import { z } from 'zod'
import { covers, formatGrant, GRANTS_MAX } from '../access/grant.ts'
import { ACTIONS, type Grant, type Identity } from '../access/permission.ts'
import { TrustError } from '../errors.ts'
import { list } from './answers.ts'
import { patternInput } from './inputs.ts'

/** Grants of users and tokens, as operations take them. */
export const grantsInput = z
  .array(
    z.strictObject({
      pattern: patternInput,
      actions: z.array(z.enum(ACTIONS)).min(1).max(ACTIONS.length),
    }),
  )
  .max(GRANTS_MAX)

/** The same grants, as responses contain them. */
export const grantsAnswer = z.lazy(() =>
  list(
    z
      .object({
        pattern: z.string().meta({ description: 'docker.io/acme/app, docker.io/acme/*, or *' }),
        actions: list(z.enum(ACTIONS)),
      })
      .meta({ id: 'Grant' }),
  ),
)

/** Throws if somebody gives more than they may do themselves. @throws TrustError FORBIDDEN */
export function mustCover(giver: Identity, grants: readonly Grant[]): void {
  const beyond = grants.find((grant) => !covers(giver, grant))
  if (beyond === undefined) return
  throw new TrustError('FORBIDDEN', `${giver.name} may not do all of ${formatGrant(beyond)}`, {
    hint: 'a token may do only what both its creator and its owner may do',
  })
}
