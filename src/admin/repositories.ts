import { z } from 'zod'
import { damageIn, noSuchRepository } from '../errors.ts'
import { allGuns } from '../repository/all-guns.ts'
import { namedKeys } from '../repository/current.ts'
import { remove } from '../repository/remove.ts'
import { describe } from '../repository/show.ts'
import { signedHere } from '../repository/signed-here.ts'
import type { Readable } from '../repository/trust.ts'
import { isReference } from '../signing/pkcs11/reference.ts'
import type { Gun } from '../tuf/gun.ts'
import { BASE_ROLES } from '../tuf/role.ts'
import { count, done, list } from './answers.ts'
import { gunInput } from './inputs.ts'
import { operation } from './operation.ts'
import { damagedRepository, description, heldKey, repositoryRow } from './repository-answers.ts'
import { rootKeyPlaces } from './root-keys.ts'

const finding = z.lazy(() =>
  z.object({
    severity: z.enum(['error', 'warning']).meta({
      description: 'error: damage, or what a client refuses; warning: what people should know',
    }),
    gun: z.string().exactOptional().meta({ description: "the repository, where it is one's" }),
    text: z.string(),
  }),
)

export const checkStore = operation({
  name: 'check',
  method: 'GET',
  path: '/check',
  summary: 'Verify all that is stored, as a client and as an accountant of the journal.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () =>
    z.object({
      repositories: count,
      commits: count,
      records: z.record(z.string(), count).meta({ description: 'by kind' }),
      findings: list(finding).meta({ description: 'errors first' }),
    }),
  async run({ check, gone, keysFault }) {
    const report = await check(gone)
    const fault = await keysFault()
    if (fault === undefined) return report
    return { ...report, findings: [{ severity: 'error' as const, text: fault }, ...report.findings] }
  },
})

export const listRepositories = operation({
  name: 'repo.list',
  method: 'GET',
  path: '/repositories',
  summary: 'All repositories; of one that cannot be read, `damaged` says why.',
  action: 'admin',
  input: z.strictObject({}),
  answer: () => list(z.union([repositoryRow, damagedRepository])),
  async run({ trust }) {
    const rows: z.output<typeof repositoryRow | typeof damagedRepository>[] = []
    for await (const gun of allGuns(trust.store)) {
      try {
        const facts = factsOf(trust, gun)
        if (facts !== undefined) rows.push(facts)
      } catch (error) {
        rows.push({ gun, damaged: damageIn(error).message })
      }
    }
    return rows
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
  async run({ trust }, { gun }) {
    return (await describe(trust, gun, trust.now(), await rootKeyPlaces(trust))) ?? noSuchRepository(gun)
  },
})

export const deleteRepository = operation({
  name: 'repo.delete',
  method: 'DELETE',
  path: '/repositories/:gun',
  summary: 'Remove all metadata of one repository. Its keys stay, and its versions stay known.',
  action: 'delete',
  input: z.strictObject({ gun: gunInput }),
  answer: () => z.object({ gun: z.string(), deleted: done }),
  async run({ trust }, { gun }, actor) {
    return (await remove(trust, gun, actor)) ? { gun, deleted: true as const } : noSuchRepository(gun)
  },
})

export const listKeys = operation({
  name: 'key.list',
  method: 'GET',
  path: '/repositories/:gun/keys',
  summary: 'The keys that the server holds for one repository.',
  action: 'read',
  input: z.strictObject({ gun: gunInput }),
  answer: () => list(heldKey),
  async run({ trust }, { gun }) {
    const { store } = trust
    const keys = await store.keysOf(gun)
    if (keys.length === 0 && store.head(gun)?.roles['root'] === undefined) return noSuchRepository(gun)
    return keys.map(({ role, keyId, keytype, public: publicKey, pending, createdAt, sealed }) => {
      const current = namedKeys(trust, gun, role)?.keys.has(keyId) === true
      const custody = isReference(sealed) ? ('pkcs11' as const) : ('file' as const)
      return { role, keyId, keytype, public: publicKey, pending, createdAt, current, custody }
    })
  },
})

function factsOf({ store }: Readable, gun: Gun): z.output<typeof repositoryRow> | undefined {
  const head = store.head(gun)
  if (head?.roles['targets'] === undefined) return undefined
  const { roles } = head
  const here = signedHere(head)
  const renewed = here ? ['timestamp'] : []
  const ends = BASE_ROLES.flatMap((role) => (renewed.includes(role) ? [] : (roles[role]?.expires ?? [])))
  return {
    gun,
    version: head.roles['targets'].version,
    delegations: Object.keys(roles).filter((role) => role.startsWith('targets/')).length,
    expires: new Date(Math.min(...ends)).toISOString(),
    signedHere: here,
  }
}
