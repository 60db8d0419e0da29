import { damageIn, TrustError } from '../../errors.ts'
import type { Actor, StoredKey } from '../../store/store.ts'
import { SERVER } from '../../tuf/gun.ts'
import { isDelegation, RELEASES, type DelegationRole } from '../../tuf/role.ts'
import { change, changeAndTell, changeRecords } from '../change.ts'
import type { Readable, Trust } from '../trust.ts'

/** A delegation key that the server holds, by the name that owners of repositories give it. */
export interface TagSigner {
  readonly name: string
  /** Those that sign, oldest first; more than one while owners go over to a new one. */
  readonly keyIds: readonly string[]
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** docker's rule for names of signers. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,99}$/

/** The delegation that docker makes for a signer. @throws TrustError INVALID_PARAMETERS */
export function signerRole(name: string): DelegationRole {
  const role = `targets/${name}`
  if (NAME.test(name) && role !== RELEASES && isDelegation(role)) return role
  throw new TrustError('INVALID_PARAMETERS', `"${name.slice(0, 80)}" cannot be the name of a signer`, {
    hint: 'a-z, 0-9, "_" and "-", and not "releases": docker asks for it',
  })
}

/** @throws TrustError NOT_FOUND */
export function findSigner(trust: Readable, name: string, hint = '"countersign signer list" prints all'): TagSigner {
  const found = trust.store.record('signer', name) as TagSigner | undefined
  if (found !== undefined) return found
  throw new TrustError('NOT_FOUND', `there is no signer ${name.slice(0, 80)}`, { hint })
}

/** The keys of a signer, for signing and for their public halves. */
export function signerKeys(trust: Readable, { name, keyIds }: TagSigner): StoredKey[] {
  return trust.store.keys(SERVER, signerRole(name)).filter(({ keyId }) => keyIds.includes(keyId))
}

/** All keys that signers of this name ever had: owners may still trust them. Keys are never deleted. */
export function everyKeyId(trust: Readable, name: string): string[] {
  return trust.store.keys(SERVER, signerRole(name)).map(({ keyId }) => keyId)
}

/** The name of the signer that signs with a key of the server. */
export function signerNameOf(trust: Readable, { role, keyId }: Pick<StoredKey, 'role' | 'keyId'>): string | undefined {
  const name = role.slice('targets/'.length)
  const signer = trust.store.record('signer', name) as TagSigner | undefined
  return signer?.keyIds.includes(keyId) === true ? name : undefined
}

/** Make a signer and its key. @throws TrustError WRONG_STATE, INVALID_PARAMETERS */
export async function createSigner(trust: Trust, name: string, actor: Actor): Promise<StoredKey> {
  const role = signerRole(name)
  const mustBeNew = (): void => {
    if (trust.store.record('signer', name) === undefined) return
    throw new TrustError('WRONG_STATE', `there is a signer ${name} already`, {
      hint: `"countersign signer show ${name}" prints its key; or choose another name`,
    })
  }
  // Looked at before too: what is made on a token stays there.
  mustBeNew()
  const made = await trust.signer.create(SERVER, role)
  const key: StoredKey = { ...made, role, pending: false, createdAt: trust.now() }
  await change(trust, SERVER, async (_, now) => {
    mustBeNew()
    const value: TagSigner = { name, keyIds: [key.keyId], createdAt: now }
    return { kind: 'key', actor, keys: [key], records: [{ kind: 'signer', name, value }] }
  })
  return key
}

/**
 * Give a signer a new key beside those that it has: it signs with whichever of them a repository names, so that owners
 * can add the new one before they remove the old one.
 *
 * @returns also the new key
 * @throws TrustError NOT_FOUND, WRONG_STATE while a new key stands beside an old one: asked again, since the answer was lost,
 *   it would make one more, which owners would have to add too
 */
export async function rotateSigner(
  trust: Trust,
  name: string,
  actor: Actor,
): Promise<TagSigner & { readonly key: StoredKey }> {
  const role = signerRole(name)
  mustHaveOneKey(findSigner(trust, name))
  const made = await trust.signer.create(SERVER, role)
  const key: StoredKey = { ...made, role, pending: false, createdAt: trust.now() }
  const signer = await changeSigner(
    trust,
    name,
    actor,
    (before) => {
      mustHaveOneKey(before)
      return [...before.keyIds, key.keyId]
    },
    [key],
  )
  return { ...signer, key }
}

function mustHaveOneKey({ name, keyIds }: TagSigner): void {
  if (keyIds.length === 1) return
  throw new TrustError('WRONG_STATE', `the signer ${name} has a new key already: ${keyIds.at(-1)}`, {
    hint: `"countersign signer show ${name}" prints it, for owners to add; "countersign signer rotate ${name} --finish" gives the old one up`,
  })
}

/**
 * Sign with the newest key only from now on.
 *
 * @param newest id of that key: owners may not have been given another one yet
 * @throws TrustError NOT_FOUND; WRONG_STATE if the signer has got another key since
 */
export async function finishSignerRotation(trust: Trust, name: string, newest: string, actor: Actor): Promise<void> {
  const onlyThat = ({ keyIds }: TagSigner): readonly string[] => {
    if (keyIds.at(-1) === newest) return [newest]
    throw new TrustError('WRONG_STATE', `the signer ${name} has got another key meanwhile`, { hint: 'try again' })
  }
  await changeSigner(trust, name, actor, onlyThat, [])
}

async function changeSigner(
  trust: Trust,
  name: string,
  actor: Actor,
  next: (signer: TagSigner) => readonly string[],
  keys: readonly StoredKey[],
): Promise<TagSigner> {
  return changeAndTell(trust, SERVER, async () => {
    const signer = findSigner(trust, name)
    const changed = { ...signer, keyIds: next(signer) }
    return [{ kind: 'key', actor, keys, records: [{ kind: 'signer', name, value: changed }] }, changed]
  })
}

/** Sign with its key no more, also where its record cannot be read. Repositories that name it still do. @throws TrustError NOT_FOUND */
export async function removeSigner(trust: Trust, name: string, actor: Actor): Promise<void> {
  await changeRecords(trust, actor, async () => {
    try {
      findSigner(trust, name)
    } catch (error) {
      if (damageIn(error).code === 'NOT_FOUND') throw error
    }
    return [{ kind: 'signer', name, value: null }]
  })
}
