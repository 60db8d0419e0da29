import { z } from 'zod'
import { covers, formatGrant, GRANTS_MAX, parsePattern } from '../access/grant.ts'
import { ACTIONS, type Grant, type Identity } from '../access/permission.ts'
import { parseName } from '../access/user.ts'
import { TrustError } from '../errors.ts'
import { change } from '../repository/change.ts'
import type { Trust } from '../repository/trust.ts'
import type { FoundRecords } from '../store/found-records.ts'
import type { Actor, StoredRecord } from '../store/store.ts'
import { SERVER } from '../tuf/gun.ts'

/** What users and tokens may do, as operations take it. */
export const grantsInput = z
  .array(
    z.strictObject({
      pattern: z
        .string()
        .transform((text) => parsePattern(text))
        .meta({ description: 'docker.io/acme/app, docker.io/acme/*, or *' }),
      actions: z.array(z.enum(ACTIONS)).min(1).max(ACTIONS.length),
    }),
  )
  .max(GRANTS_MAX)

/** The name of a user or token. */
export const nameInput = z
  .string()
  .transform((text) => parseName(text))
  .meta({ description: 'a-z, 0-9, ".", "_", "-", "@"' })

/** Nobody can give what they may not do themselves. @throws TrustError FORBIDDEN */
export function mustCover(giver: Identity, grants: readonly Grant[]): void {
  const beyond = grants.find((grant) => !covers(giver, grant))
  if (beyond === undefined) return
  throw new TrustError('FORBIDDEN', `${giver.name} may not do all of ${formatGrant(beyond)}`, {
    hint: 'a token can be allowed only what its creator and its owner may do',
  })
}

/** A line of a list, of what cannot be read: it cannot be used either. */
export interface DamagedRow {
  readonly name: string
  /** Why. */
  readonly damaged: string
}

/** Those that can be read, as they are shown, then the others. */
export function rowsOf<Value, Row>(
  { values, damaged }: FoundRecords<Value>,
  rowOf: (value: Value) => Row,
): (Row | DamagedRow)[] {
  return [...values.map((value) => rowOf(value)), ...damaged.map(({ name, damaged: why }) => ({ name, damaged: why }))]
}

/** Write records that belong to no repository. @param compute gets milliseconds since 1970 */
export async function changeRecords(
  trust: Trust,
  actor: Actor,
  compute: (now: number) => Promise<readonly StoredRecord[]>,
): Promise<void> {
  await change(trust, SERVER, async (_, now) => ({ kind: 'record', actor, records: await compute(now) }))
}
