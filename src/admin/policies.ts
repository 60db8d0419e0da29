import { z } from 'zod'
import { allTokens } from '../access/api-token.ts'
import { parsePattern } from '../access/grant.ts'
import { refusalOf, type TagRule } from '../access/tag-policy.ts'
import { findUser } from '../access/user.ts'
import { TrustError } from '../errors.ts'
import type { TargetsEdit } from '../tuf/targets-edit.ts'
import type { Gun } from '../tuf/gun.ts'
import type { CurrentDigests } from '../repository/sign-tags.ts'
import { findRecords } from '../store/found-records.ts'
import type { Recorded } from '../store/store.ts'
import { changeRecords, rowsOf } from './grants.ts'
import { operation, type World } from './operation.ts'

/** Rules for what somebody may have signed. Nobody has any unless they are given some. */
export interface TagPolicy {
  /** `signer:NAME`, or an actor as the journal names it: `user:alice`, `token:ci`. */
  readonly subject: string
  readonly rules: readonly TagRule[]
}

const RULES_MAX = 100
const subject = z
  .string()
  .regex(/^(signer|user|token|certificate):[a-z0-9][a-z0-9._@-]{0,99}$/, 'write it as in signer:ci or user:alice')
const ruleInput = z.strictObject({
  guns: z.string().transform((text) => parsePattern(text)),
  tags: z
    .string()
    .regex(/^[\w.*-]{1,128}$/, 'a tag, in which * stands for any characters')
    .refine((text) => text.split('*').length <= 9, 'at most eight *')
    .default('*'),
  move: z.boolean().default(false),
  checkedWithinMinutes: z.number().positive().max(525_600).nullable().default(null),
})

export const listPolicies = operation({
  name: 'policy.list',
  method: 'GET',
  path: '/policies',
  summary: 'Rules for what signers, users and tokens may have signed; of what cannot be read, `damaged` says why.',
  action: 'admin',
  input: z.strictObject({}),
  async run({ store }) {
    const bound = await store.recorded('policy')
    const names = [...bound]
    const { values, damaged } = await findRecords<TagPolicy>(store, 'policy')
    const found = new Set([...values.map((policy) => policy.subject), ...damaged.map(({ name }) => name)])
    // Not those that were removed in the meantime.
    const lost = names.filter((name) => !found.has(name) && bound.has(name)).map((name) => ({ name, damaged: LOST }))
    return [...rowsOf({ values, damaged }, (policy) => policy), ...lost]
  },
})

export const setPolicy = operation({
  name: 'policy.set',
  method: 'PUT',
  path: '/policies/:subject',
  summary: 'Let a signer, user or token have signed only what one of these rules allows.',
  action: 'admin',
  input: z.strictObject({ subject, rules: z.array(ruleInput).min(1).max(RULES_MAX) }),
  async run({ trust, store }, policy, actor): Promise<TagPolicy & { warnings: readonly string[] }> {
    await changeRecords(trust, actor, async () => [{ kind: 'policy', name: policy.subject, value: policy }])
    return { ...policy, warnings: await unknown(store, policy.subject) }
  },
})

export const showPolicy = operation({
  name: 'policy.show',
  method: 'GET',
  path: '/policies/:subject',
  summary: 'Rules of one signer, user or token.',
  action: 'admin',
  input: z.strictObject({ subject }),
  run: async ({ store }, { subject: name }) => rulesOf(store, await store.recorded('policy'), name) ?? noRules(name),
})

export const removePolicy = operation({
  name: 'policy.remove',
  method: 'DELETE',
  path: '/policies/:subject',
  summary: 'No rules any more.',
  action: 'admin',
  input: z.strictObject({ subject }),
  async run({ trust, store }, { subject: name }, actor) {
    await changeRecords(trust, actor, async () => {
      if (rulesOf(store, await store.recorded('policy'), name) === undefined) noRules(name)
      return [{ kind: 'policy', name, value: null }]
    })
    return { subject: name, removed: true }
  },
})

/** Rules may be there before whom they bind, and bind nobody if the name is mistyped. */
async function unknown(store: World['store'], policySubject: string): Promise<string[]> {
  const [kind = '', name = ''] = policySubject.split(/:(.*)/)
  if (kind === 'signer' && store.record('signer', name) !== undefined) return []
  if (kind === 'token' && (await allTokens(store)).values.some((each) => each.name === name && !each.revoked)) return []
  // A client certificate stands for a user.
  const list = kind === 'certificate' ? 'user' : kind
  if (list === 'user' && findUser(store, name) !== undefined) return []
  return [`there is no ${list} ${name}: "countersign ${list} list" prints all`]
}

const LOST = 'its record is not found'

/**
 * Rules of one; undefined: none.
 *
 * @param bound who has any, by the journal
 * @throws TrustError CORRUPT if they cannot be read, or are not found: without them anything could be signed
 */
function rulesOf(store: Pick<World['store'], 'record'>, bound: Recorded, name: string): TagPolicy | undefined {
  const found = store.record('policy', name) as TagPolicy | undefined
  if (found !== undefined || !bound.has(name)) return found
  throw new TrustError('CORRUPT', `the rules of ${name} cannot be read: ${LOST}`, {
    hint: `set them again: countersign policy set ${name} --rule …`,
  })
}

function noRules(name: string): never {
  throw new TrustError('NOT_FOUND', `there are no rules for ${name}`, { hint: '"countersign policy list" prints all' })
}

/**
 * Whose rules count: those of the actor, of the user behind an API token or a client certificate, and of the signer.
 *
 * @param signer undefined: nobody signs in a repository of others
 * @throws TrustError FORBIDDEN for a token that was revoked while its request came in: its owner is not known any more
 */
export async function policySubjects(
  store: World['store'],
  actor: string,
  signer: string | undefined,
): Promise<string[]> {
  const [, kind = '', name = ''] = /^(token|certificate):(.+)$/.exec(actor) ?? []
  const subjects = new Set([actor])
  if (kind === 'certificate') subjects.add(`user:${name}`)
  if (kind === 'token') {
    const token = (await allTokens(store)).values.find((each) => each.name === name && !each.revoked)
    if (token === undefined) throw new TrustError('FORBIDDEN', `${actor} was revoked in the meantime`)
    if (token.owner !== null) subjects.add(`user:${token.owner}`)
  }
  if (signer !== undefined) subjects.add(`signer:${signer}`)
  return [...subjects]
}

/**
 * Refuse what the rules of any of these do not allow.
 *
 * @param subjects who asks, and the signer that signs
 * @param bound who has any, by the journal
 * @param current what the roles that are to sign, and targets, say of a tag now
 * @param checkedAt when the caller saw the manifests, milliseconds since 1970
 * @throws TrustError POLICY that says which rule; CORRUPT if rules cannot be read
 */
export function enforcePolicies(
  { store }: Pick<World, 'store'>,
  subjects: readonly string[],
  bound: Recorded,
  gun: Gun,
  { set, remove }: TargetsEdit,
  current: CurrentDigests,
  checkedAt: number | undefined,
  now: number,
): void {
  const intents = [
    ...set.map(({ tag, sha256 }) => ({ tag, moves: current(tag).some((each) => each !== sha256), checkedAt })),
    // Nothing in a registry has to be looked at for taking a signature away.
    ...remove.filter((tag) => current(tag).length > 0).map((tag) => ({ tag, moves: true, checkedAt: now })),
  ]
  for (const name of subjects) {
    const policy = rulesOf(store, bound, name)
    if (policy === undefined) continue
    for (const intent of intents) {
      const refusal = refusalOf(policy.rules, { gun, ...intent }, now)
      if (refusal !== undefined) throw new TrustError('POLICY', `${name} may not have ${intent.tag} signed: ${refusal}`)
    }
  }
}
