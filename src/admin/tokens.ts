import { z } from 'zod'
import { allTokens, mintToken, type ApiToken } from '../access/api-token.ts'
import { grantsText } from '../access/grant.ts'
import { userNamed } from '../access/identities.ts'
import { allows, type Identity } from '../access/permission.ts'
import { existingUser } from '../access/user.ts'
import { TrustError } from '../errors.ts'
import { changeRecords } from '../repository/change.ts'
import type { FoundRecords } from '../store/found-records.ts'
import type { StoredRecord } from '../store/store.ts'
import { milliseconds } from './answers.ts'
import { grantsAnswer, grantsInput, mustCover } from './grants.ts'
import { nameInput, someName } from './inputs.ts'
import { operation, type World } from './operation.ts'
import { rows, rowsOf } from './rows.ts'
import { roomForToken } from './token-limit.ts'

/** A token as it is shown. */
const tokenRow = z.lazy(() =>
  z
    .object({
      id: z.string().meta({ description: 'id of the token, 16 hex digits' }),
      name: z.string(),
      owner: z.string().nullable().meta({
        description:
          'user whose permissions bound those of the token; null: created on the server itself, bounded by nobody',
      }),
      grants: grantsAnswer,
      expires: milliseconds.nullable().meta({ description: 'end of the token, milliseconds since 1970; null: never' }),
      revoked: z.boolean(),
      createdAt: milliseconds,
    })
    .meta({ id: 'Token' }),
)
export type TokenRow = z.output<typeof tokenRow>

const DAY = 86_400_000
/** Days that a token lives by default. */
export const TOKEN_LIFE_DAYS = 90
export const TOKEN_MAX_DAYS = 3650

export const createToken = operation({
  name: 'token.create',
  method: 'POST',
  path: '/tokens',
  summary:
    'Create an API token; its text is shown only once. The token may do only what both its creator and its owner may.',
  action: 'own',
  input: z.strictObject({
    name: nameInput,
    grants: grantsInput.min(1),
    owner: nameInput.optional(),
    days: z
      .number()
      .positive()
      .max(TOKEN_MAX_DAYS)
      .nullable()
      .default(TOKEN_LIFE_DAYS)
      .meta({ description: 'days until the token ends; null: never' }),
  }),
  answer: () =>
    tokenRow.unwrap().extend({
      token: z
        .string()
        .nullable()
        .meta({ description: 'text of the token, which is not kept; null: a dry run created none' }),
    }),
  async run({ trust, asker, rehearsal }, { name, grants, owner, days }, actor) {
    const { id, text, secretSha256 } = mintToken()
    return changeRecords(trust, actor, async (now) => {
      const creator = asker()
      mustNotBeToken(creator)
      const ownerName = ownerOf(creator, owner)
      // The creator is the owner, or may do everything.
      if (ownerName !== null) {
        mustCover({ name: `user:${ownerName}`, grants: existingUser(trust.store, ownerName).grants }, grants)
      }
      const tokens = (await allTokens(trust.store)).values
      if (tokens.some((token) => token.name === name && !token.revoked)) {
        throw new TrustError('WRONG_STATE', `the token ${name} already exists`, {
          hint: 'revoke it first, or choose another name',
        })
      }
      const removed = roomForToken(tokens, ownerName, now, allows(creator, 'admin', undefined))
      const expires = days === null ? null : now + Math.round(days * DAY)
      const made = { id, name, owner: ownerName, secretSha256, grants, expires, revoked: false, createdAt: now }
      const whose = ownerName === null ? '' : `, of user:${ownerName}`
      const action = `created as ${name}${whose}, may ${grantsText(grants)}`
      // Show no text in a rehearsal: it would look like a token that exists.
      const answer = { ...rowOf(made), token: rehearsal === true ? null : text }
      return [[{ kind: 'token', name: id, value: made, action }, ...removed], answer]
    })
  },
})

export const listTokens = operation({
  name: 'token.list',
  method: 'GET',
  path: '/tokens',
  summary:
    "The caller's own API tokens; for an admin of the server, all tokens, with the id of any that cannot be read, and why.",
  action: 'own',
  input: z.strictObject({}),
  answer: () => rows(tokenRow),
  run: async (world) => rowsOf(await visibleTo(world), rowOf),
})

export const revokeToken = operation({
  name: 'token.revoke',
  method: 'DELETE',
  path: '/tokens/:token',
  summary: 'Revoke an API token, immediately and permanently.',
  action: 'own',
  input: z.strictObject({ token: someName.meta({ description: 'id or name of the token' }) }),
  answer: () => tokenRow,
  async run(world, { token: wanted }, actor) {
    return changeRecords(world.trust, actor, async () => {
      const visible = (await visibleTo(world)).values
      const live = visible.filter((token) => !token.revoked)
      // Match ids first: somebody could have named another token like this id.
      const found = live.find(({ id }) => id === wanted) ?? live.find(({ name }) => name === wanted)
      if (found === undefined) {
        if (visible.some(({ id, name }) => id === wanted || name === wanted)) {
          throw new TrustError('NOT_FOUND', `the token ${wanted} is already revoked`)
        }
        throw new TrustError('NOT_FOUND', 'there is no such token', { hint: '"countersign token list" prints all' })
      }
      return [[revokedToken(found)], rowOf({ ...found, revoked: true })]
    })
  },
})

/** Returns the record that revokes a token. */
export function revokedToken(token: ApiToken): StoredRecord {
  return { kind: 'token', name: token.id, value: { ...token, revoked: true }, action: 'revoked' }
}

/** @throws TrustError FORBIDDEN for a token: what it made would outlive it */
function mustNotBeToken({ name }: Identity): void {
  if (!name.startsWith('token:')) return
  throw new TrustError('FORBIDDEN', `${name} cannot create tokens`, {
    hint: 'use a password or a client certificate, or the command line on the server',
  })
}

/** @throws TrustError FORBIDDEN */
function ownerOf(creator: Identity, owner: string | undefined): string | null {
  const self = userNamed(creator.name) ?? null
  if (owner === undefined || owner === self || allows(creator, 'admin', undefined)) return owner ?? self
  throw new TrustError('FORBIDDEN', `${creator.name} may not create tokens for others`)
}

async function visibleTo({ trust, asker }: World): Promise<FoundRecords<ApiToken>> {
  const identity = asker()
  const tokens = await allTokens(trust.store)
  if (allows(identity, 'admin', undefined)) return tokens
  const own = userNamed(identity.name)
  return { values: tokens.values.filter(({ owner }) => owner !== null && owner === own), damaged: [] }
}

function rowOf(token: ApiToken): TokenRow {
  const { secretSha256: _, ...row } = token
  return row
}
