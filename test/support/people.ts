import assert from 'node:assert/strict'
import { parseGrant } from '../../src/access/grant.ts'
import { hashPassword, type PasswordHash } from '../../src/access/password.ts'
import { LOCAL } from '../../src/access/permission.ts'
import type { User } from '../../src/access/user.ts'
import type { World } from '../../src/admin/operation.ts'
import { createToken } from '../../src/admin/tokens.ts'
import { changeRecords } from '../../src/repository/change.ts'
import { check } from '../../src/repository/check.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { LevelStore } from '../../src/store/level-store.ts'
import './held-answers.ts'

/** Where to make users and tokens: a running server. */
export interface Place {
  readonly trust: Trust
}

const ACTOR = { name: 'local' }

/** Makes a user. @param allow `read,sign:docker.io/acme/*` @param password default: none */
export async function addPerson(
  place: Place,
  name: string,
  allow: readonly string[],
  password?: string,
): Promise<void> {
  const hash = password === undefined ? null : await hashOf(password)
  const user: User = { name, password: hash, grants: grantsOf(allow), disabled: false, createdAt: place.trust.now() }
  await changeRecords(place.trust, ACTOR, async () => [[{ kind: 'user', name, value: user }], undefined])
}

const hashes = new Map<string, Promise<PasswordHash>>()

/** Hashes each password once, since that is slow on purpose. */
function hashOf(password: string): Promise<PasswordHash> {
  const known = hashes.get(password) ?? hashPassword(password)
  hashes.set(password, known)
  return known
}

/** Makes an API token. @returns its text */
export async function makeToken(
  place: Place,
  name: string,
  allow: readonly string[],
  more: { readonly owner?: string; readonly days?: number | null } = {},
): Promise<string> {
  const { token } = await createToken.run(worldOf(place), { name, grants: grantsOf(allow), days: 1, ...more }, ACTOR)
  assert.ok(token !== null)
  return token
}

/** Returns a world to run operations in, as the command line does on the server. */
export function worldOf({ trust }: Place, asker = LOCAL): World {
  const nowhere = async (): Promise<never> => Promise.reject(new Error('a test makes no backups'))
  const rest = {
    keyFault: async () => undefined,
    check: async () => check(await (trust.store as LevelStore).snapshot(), async () => undefined, trust.now()),
    keysFault: async () => undefined,
    certificates: async () => [],
    backUp: nowhere,
  }
  return { trust, asker: () => asker, ...rest, rehearsalSigner: trust.signer }
}

type Grants = Parameters<typeof createToken.run>[1]['grants']

function grantsOf(allow: readonly string[]): Grants {
  return allow.map(parseGrant).map(({ pattern, actions }) => ({ pattern, actions: [...actions] }))
}
