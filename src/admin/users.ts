import { z } from 'zod'
import { allTokens } from '../access/api-token.ts'
import { grantsText } from '../access/grant.ts'
import { hashPassword, PASSWORD_MAX_BYTES } from '../access/password.ts'
import { allUsers, existingUser, findUser, type User } from '../access/user.ts'
import { damageIn, TrustError } from '../errors.ts'
import { changeRecords } from '../repository/change.ts'
import type { Store } from '../store/store.ts'
import { count, done, milliseconds } from './answers.ts'
import { grantsAnswer, grantsInput } from './grants.ts'
import { nameInput } from './inputs.ts'
import { operation } from './operation.ts'
import { rows, rowsOf } from './rows.ts'
import { revokedToken } from './tokens.ts'

/** A user as it is shown: without the password's hash. */
const userRow = z.lazy(() =>
  z
    .object({
      name: z.string(),
      hasPassword: z
        .boolean()
        .meta({ description: 'whether the user can log in with a password; false: only with certificates and tokens' }),
      grants: grantsAnswer,
      disabled: z
        .boolean()
        .meta({ description: 'whether the user is disabled; true: neither the user nor their tokens are recognised' }),
      createdAt: milliseconds,
    })
    .meta({ id: 'User' }),
)
export type UserRow = z.output<typeof userRow>

const passwordInput = z
  .string()
  .max(PASSWORD_MAX_BYTES)
  .meta({ description: 'password in the clear; stored as argon2id' })

export const listUsers = operation({
  name: 'user.list',
  method: 'GET',
  path: '/users',
  summary: 'All users and what they may do; `damaged` says why one cannot be read.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () => rows(userRow),
  run: async ({ trust }) => rowsOf(await allUsers(trust.store), rowOf),
})

export const addUser = operation({
  name: 'user.add',
  method: 'POST',
  path: '/users',
  summary: 'Create a user.',
  action: 'admin',
  input: z.strictObject({ name: nameInput, grants: grantsInput, password: passwordInput.optional() }),
  answer: () => userRow,
  async run({ trust }, { name, grants, password }, actor) {
    const hash = password === undefined ? null : await hashPassword(password)
    const user: User = { name, password: hash, grants, disabled: false, createdAt: trust.now() }
    return changeRecords(trust, actor, async () => {
      if (findUser(trust.store, name) !== undefined) {
        throw new TrustError('WRONG_STATE', `the user ${name} already exists`, {
          hint: '"countersign user set" changes what they may do, "countersign user password" their password',
        })
      }
      return [[{ kind: 'user', name, value: user, action: `added, may ${grantsText(grants)}` }], rowOf(user)]
    })
  },
})

export const setUser = operation({
  name: 'user.set',
  method: 'PUT',
  path: '/users/:name',
  summary: 'Change what a user may do, or disable the user and all of their tokens.',
  action: 'admin',
  input: z.strictObject({ name: nameInput, grants: grantsInput.optional(), disabled: z.boolean().optional() }),
  answer: () => userRow,
  async run({ trust }, { name, grants, disabled }, actor) {
    return changeRecords(trust, actor, async () => {
      const found = existingUser(trust.store, name)
      const user = { ...found, grants: grants ?? found.grants, disabled: disabled ?? found.disabled }
      const told = [
        ...(grants === undefined ? [] : [`may ${grantsText(grants)}`]),
        ...(disabled === undefined ? [] : [disabled ? 'disabled' : 'enabled']),
      ]
      return [[{ kind: 'user', name, value: user, action: told.join(', ') || 'not changed' }], rowOf(user)]
    })
  },
})

export const setPassword = operation({
  name: 'user.password',
  method: 'PUT',
  path: '/users/:name/password',
  summary: "Change a user's password. Their API tokens stay valid.",
  action: 'admin',
  input: z.strictObject({ name: nameInput, password: passwordInput }),
  answer: () => z.object({ name: z.string() }),
  async run({ trust }, { name, password }, actor) {
    const hash = await hashPassword(password)
    return changeRecords(trust, actor, async () => {
      const changed = { ...existingUser(trust.store, name), password: hash }
      return [[{ kind: 'user', name, value: changed, action: 'password changed' }], { name }]
    })
  },
})

export const removeUser = operation({
  name: 'user.remove',
  method: 'DELETE',
  path: '/users/:name',
  summary: 'Remove a user, and revoke their tokens.',
  action: 'admin',
  input: z.strictObject({ name: nameInput }),
  answer: () => z.object({ name: z.string(), removed: done, revokedTokens: count }),
  async run({ trust }, { name }, actor) {
    return changeRecords(trust, actor, async () => {
      await mustBeKnown(trust.store, name)
      // A later user of the same name must not inherit them.
      const { values } = await allTokens(trust.store)
      const tokens = values.filter((token) => token.owner === name && !token.revoked)
      const records = [{ kind: 'user' as const, name, value: null }, ...tokens.map(revokedToken)]
      return [records, { name, removed: true as const, revokedTokens: tokens.length }]
    })
  },
})

/**
 * Throws unless the user exists, damaged or known from the journal alone: such a user can be removed, and then made anew.
 *
 * @throws TrustError NOT_FOUND, STORE_UNAVAILABLE
 */
async function mustBeKnown(store: Store, name: string): Promise<void> {
  try {
    existingUser(store, name)
  } catch (error) {
    if (damageIn(error).code === 'NOT_FOUND' && !(await store.recorded('user')).has(name)) throw error
  }
}

function rowOf({ name, password, grants, disabled, createdAt }: User): UserRow {
  return { name, hasPassword: password !== null, grants, disabled, createdAt }
}
