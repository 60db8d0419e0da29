import { z } from 'zod'
import { allTokens } from '../access/api-token.ts'
import { TrustError } from '../errors.ts'
import { changeRecords } from '../repository/change.ts'
import { findRecords } from '../store/found-records.ts'
import type { Store } from '../store/store.ts'
import { done, texts } from './answers.ts'
import { LOST, rulesOf, tagPolicy, type TagPolicy } from './enforce-policies.ts'
import { patternInput } from './inputs.ts'
import { operation } from './operation.ts'
import { rows, rowsOf } from './rows.ts'

const RULES_MAX = 100
/** A year, in minutes. */
const CHECKED_WITHIN_MAX = 525_600
const subject = z
  .string()
  .regex(/^(signer|user|token|certificate):[a-z0-9][a-z0-9._@$+-]{0,99}$/, 'must look like signer:ci or user:alice')
const ruleInput = z.strictObject({
  guns: patternInput,
  tags: z
    .string()
    .regex(/^[\w.*-]{1,128}$/, 'must be a tag, in which * stands for any characters')
    .refine((text) => text.split('*').length <= 9, 'at most eight *')
    .default('*'),
  move: z.boolean().default(false),
  checkedWithinMinutes: z.number().positive().max(CHECKED_WITHIN_MAX).nullable().default(null),
})

export const listPolicies = operation({
  name: 'policy.list',
  method: 'GET',
  path: '/policies',
  summary: 'Rules for what signers, users and tokens may have signed; `damaged` says why some cannot be read.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () => rows(tagPolicy),
  async run({ trust: { store } }) {
    const bound = await store.recorded('policy')
    const names = [...bound]
    const { values, damaged } = await findRecords<TagPolicy>(store, 'policy')
    const found = new Set([...values.map((policy) => policy.subject), ...damaged.map(({ name }) => name)])
    // Rules that were removed in the meantime are not lost.
    const lost = names.filter((name) => !found.has(name) && bound.has(name)).map((name) => ({ name, damaged: LOST }))
    return [...rowsOf({ values, damaged }, (policy) => policy), ...lost]
  },
})

export const setPolicy = operation({
  name: 'policy.set',
  method: 'PUT',
  path: '/policies/:subject',
  summary: 'Limit what a signer, user or token may have signed to what one of these rules allows.',
  action: 'admin',
  input: z.strictObject({ subject, rules: z.array(ruleInput).min(1).max(RULES_MAX) }),
  answer: () => tagPolicy.unwrap().extend({ warnings: texts }),
  async run({ trust }, policy, actor) {
    return changeRecords(trust, actor, async () => {
      // In turn with those who add or remove that name. Before the commit: if this cannot be read, nothing is set.
      const warnings = await unknown(trust.store, policy.subject)
      return [[{ kind: 'policy', name: policy.subject, value: policy }], { ...policy, warnings }]
    })
  },
})

export const showPolicy = operation({
  name: 'policy.show',
  method: 'GET',
  path: '/policies/:subject',
  summary: 'Rules of one signer, user or token.',
  action: 'admin',
  input: z.strictObject({ subject }),
  answer: () => tagPolicy,
  run: ({ trust }, { subject: name }) => existingRules(trust.store, name),
})

export const removePolicy = operation({
  name: 'policy.remove',
  method: 'DELETE',
  path: '/policies/:subject',
  summary: 'Remove all rules of one signer, user or token.',
  action: 'admin',
  input: z.strictObject({ subject }),
  answer: () => z.object({ subject: z.string(), removed: done }),
  async run({ trust }, { subject: name }, actor) {
    return changeRecords(trust, actor, async () => {
      await existingRules(trust.store, name)
      return [[{ kind: 'policy', name, value: null }], { subject: name, removed: true as const }]
    })
  },
})

/** Warns if nobody has that name: rules may be set before those they bind exist, but a mistyped name binds nobody. */
async function unknown(store: Store, policySubject: string): Promise<string[]> {
  const [kind = '', name = ''] = policySubject.split(/:(.*)/)
  // A client certificate stands for a user.
  const list = kind === 'certificate' ? 'user' : kind
  if (list === 'token') {
    const { values, damaged } = await allTokens(store)
    if (values.some((token) => token.name === name && !token.revoked)) return []
    if (damaged.length > 0) return [`cannot tell whether there is a token ${name}: one of the tokens is damaged`]
  }
  // Ask the journal: rules can be set even for somebody whose record cannot be read.
  if ((list === 'signer' || list === 'user') && (await store.recorded(list)).has(name)) return []
  return [`there is no ${list} ${name}: "countersign ${list} list" prints all`]
}

/** @throws TrustError NOT_FOUND, CORRUPT */
async function existingRules(store: Store, name: string): Promise<TagPolicy> {
  const found = rulesOf(store, await store.recorded('policy'), name)
  if (found !== undefined) return found
  throw new TrustError('NOT_FOUND', `there are no rules for ${name}`, { hint: '"countersign policy list" prints all' })
}
