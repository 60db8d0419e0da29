import { z } from 'zod'
import { allGuns } from '../repository/all-guns.ts'
import { noSuchRepository } from '../repository/no-such-repository.ts'
import { remove } from '../repository/remove.ts'
import { pinOf } from '../repository/roots/pin.ts'
import { describe } from '../repository/show.ts'
import { signedHere } from '../repository/signed-here.ts'
import type { Readable } from '../repository/trust.ts'
import type { Gun } from '../tuf/gun.ts'
import { BASE_ROLES } from '../tuf/role.ts'
import { done, list } from './answers.ts'
import { gunInput, patternInput } from './inputs.ts'
import { operation } from './operation.ts'
import { damagedRepository, description, pin, repositoryRow } from './repository-answers.ts'
import { repositoryRows } from './repository-rows.ts'
import { rootKeyPlaces } from './root-keys.ts'

export const listRepositories = operation({
  name: 'repo.list',
  method: 'GET',
  path: '/repositories',
  summary: 'All repositories, or those that a pattern names; `damaged` says why one cannot be read.',
  action: 'admin',
  input: z.strictObject({ pattern: patternInput.prefault('*') }),
  answer: () => list(z.union([repositoryRow, damagedRepository])),
  async run({ trust, gone: waiting }, { pattern }) {
    const gone = waiting?.()
    return repositoryRows(allGuns(trust.store, gone), pattern, (gun) => rowOf(trust, gun), gone)
  },
})

export const showRepository = operation({
  name: 'repo.show',
  method: 'GET',
  path: '/repositories/:gun',
  summary: 'Roles, keys, delegations and signed tags of one repository.',
  action: 'read',
  input: z.strictObject({ gun: gunInput }),
  answer: () => description,
  async run({ trust, keyFault }, { gun }) {
    const places = await rootKeyPlaces(trust)
    return (await describe(trust, gun, trust.now(), places, keyFault)) ?? noSuchRepository(gun)
  },
})

export const pinRepository = operation({
  name: 'repo.pin',
  method: 'GET',
  path: '/repositories/:gun/pin',
  summary: 'What clients may pin of one repository: its root, and the root keys that they accept.',
  action: 'read',
  input: z.strictObject({ gun: gunInput }),
  answer: () => pin,
  run: async ({ trust }, { gun }) => pinOf(trust, gun, trust.now()),
})

export const deleteRepository = operation({
  name: 'repo.delete',
  method: 'DELETE',
  path: '/repositories/:gun',
  summary: 'Remove all metadata of one repository. Its keys and version numbers are kept.',
  action: 'delete',
  input: z.strictObject({ gun: gunInput }),
  answer: () => z.object({ gun: z.string(), deleted: done }),
  async run({ trust }, { gun }, actor) {
    return (await remove(trust, gun, actor)) ? { gun, deleted: true as const } : noSuchRepository(gun)
  },
})

/** Returns undefined for a deleted repository. */
function rowOf({ store }: Readable, gun: Gun): z.output<typeof repositoryRow> | undefined {
  const head = store.head(gun)
  if (head?.roles['targets'] === undefined) return undefined
  const { roles } = head
  const here = signedHere(head)
  const ends = BASE_ROLES.flatMap((role) => (here && role === 'timestamp' ? [] : (roles[role]?.expires ?? [])))
  return {
    gun,
    version: head.roles['targets'].version,
    delegations: Object.keys(roles).filter((role) => role.startsWith('targets/')).length,
    expires: new Date(Math.min(...ends)).toISOString(),
    signedHere: here,
  }
}
