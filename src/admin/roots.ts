import { z } from 'zod'
import { noSuchRepository } from '../repository/no-such-repository.ts'
import { mustBeNew } from '../repository/roots/prepare.ts'
import { publishStagedRoot } from '../repository/roots/publish.ts'
import { inOrder } from '../repository/roots/rotated-roles.ts'
import { planRotation } from '../repository/roots/rotation-plan.ts'
import { discardStagedRoot, signStagedRoot, stageRoot } from '../repository/roots/stage.ts'
import { describeStagedRoot, stagedRoot, stagedRoots } from '../repository/roots/staged.ts'
import type { Trust } from '../repository/trust.ts'
import type { Gun } from '../tuf/gun.ts'
import { BASE_ROLES } from '../tuf/role.ts'
import { count, done, list } from './answers.ts'
import { gunInput, patternInput, queryList, someName } from './inputs.ts'
import { operation } from './operation.ts'
import { damagedRepository } from './repository-answers.ts'
import { repositoryRows } from './repository-rows.ts'
import { rotationPlan, stagedRootAnswer, stagedRootRow } from './root-answers.ts'
import { changeInput, prepareChange, reasonOf } from './root-change.ts'

/** Most signatures in one call: each key signs for each of its certificates. */
const SIGNATURES_MAX = 64
/** Characters of one signature, in base64. */
const SIGNATURE_MAX_LENGTH = 4096

export const stageNextRoot = operation({
  name: 'root.stage',
  method: 'PUT',
  path: '/repositories/:gun/staged-root',
  summary: 'Stage the next root (for a new repository, new keys for roles, or other root keys) until it is signed.',
  action: 'rotate',
  input: z.strictObject({ gun: gunInput, change: changeInput }),
  answer: () => stagedRootAnswer,
  async run({ trust }, { gun, change }, actor) {
    // Check before reporting that a root waits: discarding that one would not help.
    if (change.what === 'create') mustBeNew(gun, trust.store.head(gun))
    return stageRoot(trust, gun, actor, reasonOf(change), (head, now) => prepareChange(trust, gun, head, now, change))
  },
})

export const showStagedRoot = operation({
  name: 'root.staged',
  method: 'GET',
  path: '/repositories/:gun/staged-root',
  summary: 'The root waiting for signatures: what is to be signed, by whom, and who has signed.',
  action: 'read',
  input: z.strictObject({ gun: gunInput }),
  answer: () => stagedRootAnswer,
  run: async ({ trust }, { gun }) => describeStagedRoot(trust, gun, trust.now()),
})

export const listStagedRoots = operation({
  name: 'root.waiting',
  method: 'GET',
  path: '/staged-roots',
  summary: 'All roots waiting for signatures, without their payloads; `damaged` says why one cannot be read.',
  action: 'admin',
  input: z.strictObject({ pattern: patternInput.prefault('*') }),
  answer: () => list(z.union([stagedRootRow, damagedRepository])),
  run: async ({ trust }, { pattern }) => repositoryRows(stagedRoots(trust), pattern, (gun) => waitingRow(trust, gun)),
})

/** Returns undefined if the root was published after its name was read. */
function waitingRow(trust: Trust, gun: Gun): z.output<typeof stagedRootRow> | undefined {
  if (stagedRoot(trust, gun) === undefined) return undefined
  const { payload: _, signatures: __, ...row } = describeStagedRoot(trust, gun, trust.now())
  return row
}

export const signRoot = operation({
  name: 'root.sign',
  method: 'POST',
  path: '/repositories/:gun/staged-root/signatures',
  summary: 'Add signatures, made elsewhere with root keys, to the root waiting for them.',
  action: 'rotate',
  input: z.strictObject({
    gun: gunInput,
    signatures: z
      .array(z.strictObject({ keyid: someName, method: someName, sig: z.base64().max(SIGNATURE_MAX_LENGTH) }))
      .max(SIGNATURES_MAX),
  }),
  answer: () => stagedRootAnswer,
  run: ({ trust }, { gun, signatures }, actor) => signStagedRoot(trust, gun, signatures, actor),
})

export const publishRoot = operation({
  name: 'root.publish',
  method: 'POST',
  path: '/repositories/:gun/staged-root/publish',
  summary: 'Publish the signed root, with everything that must be signed again.',
  action: 'rotate',
  input: z.strictObject({ gun: gunInput }),
  answer: () => z.object({ gun: z.string(), version: count }),
  run: async ({ trust }, { gun }, actor) => ({ gun, version: await publishStagedRoot(trust, gun, actor) }),
})

export const discardRoot = operation({
  name: 'root.discard',
  method: 'DELETE',
  path: '/repositories/:gun/staged-root',
  summary: 'Discard the root waiting for signatures.',
  action: 'rotate',
  input: z.strictObject({ gun: gunInput }),
  answer: () => z.object({ gun: z.string(), discarded: done }),
  async run({ trust }, { gun }, actor) {
    await discardStagedRoot(trust, gun, actor)
    return { gun, discarded: true as const }
  },
})

export const planRoot = operation({
  name: 'root.plan',
  method: 'GET',
  path: '/repositories/:gun/rotation-plan',
  summary:
    'What would happen if these roles got new keys in one root: who must sign, which clients follow, what breaks.',
  action: 'read',
  input: z.strictObject({
    gun: gunInput,
    roles: queryList(
      z
        .array(z.enum(BASE_ROLES))
        .min(1)
        .max(BASE_ROLES.length)
        .meta({ description: 'roles to rotate, each as a parameter of its own' }),
    ),
  }),
  answer: () => rotationPlan,
  async run({ trust }, { gun, roles }) {
    return (await planRotation(trust, gun, inOrder(roles), trust.now())) ?? noSuchRepository(gun)
  },
})
