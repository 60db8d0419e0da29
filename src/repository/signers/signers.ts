import { damageIn, TrustError } from '../../errors.ts'
import type { Actor, StoredKey } from '../../store/store.ts'
import { SERVER } from '../../tuf/gun.ts'
import { isDelegation, RELEASES, type DelegationRole } from '../../tuf/role.ts'
import { change, changeWithResult, changeRecords } from '../change.ts'
import type { Readable, Trust } from '../trust.ts'

/** A signer: delegation keys that the server holds, under the name by which owners of repositories add it. */
export interface TagSigner {
  readonly name: string
  /** The keys that sign, oldest first; more than one while owners change to a new one. */
  readonly keyIds: readonly string[]
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** docker's rule for names of signers. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,99}$/

/** Returns the delegation that docker makes for a signer. @throws TrustError INVALID_PARAMETERS */
export function signerRole(name: string): DelegationRole {
  const role = `targets/${name}`
  if (NAME.test(name) && role !== RELEASES && isDelegation(role)) return role
  throw new TrustError('INVALID_PARAMETERS', `"${name.slice(0, 80)}" cannot be the name of a signer`, {
    hint: 'use a-z, 0-9, "_" and "-", but not "releases": docker requires it',
  })
}

/** Returns the signer of this name. @throws TrustError NOT_FOUND */
export function findSigner(trust: Readable, name: string, hint = '"countersign signer list" prints all'): TagSigner {
  const found = trust.store.record('signer', name) as TagSigner | undefined
  if (found !== undefined) return found
  throw new TrustError('NOT_FOUND', `there is no signer ${name.slice(0, 80)}`, { hint })
}

/** Returns the keys of a signer, with their public and sealed private halves. */
export function signerKeys(trust: Readable, { name, keyIds }: TagSigner): StoredKey[] {
  return trust.store.keys(SERVER, signerRole(name)).filter(({ keyId }) => keyIds.includes(keyId))
}

/** Returns the ids of all keys that signers of this name ever had, as owners may still trust them. Keys are never deleted. */
export function everyKeyId(trust: Readable, name: string): string[] {
  return trust.store.keys(SERVER, signerRole(name)).map(({ keyId }) => keyId)
}

/** Returns the name of the signer that signs with this key of the server. */
export function signerNameOf(trust: Readable, { role, keyId }: Pick<StoredKey, 'role' | 'keyId'>): string | undefined {
  const name = role.slice('targets/'.length)
  const signer = trust.store.record('signer', name) as TagSigner | undefined
  return signer?.keyIds.includes(keyId) === true ? name : undefined
}

/** Makes a signer and its key. @throws TrustError WRONG_STATE, INVALID_PARAMETERS */
export async function createSigner(trust: Trust, name: string, actor: Actor): Promise<StoredKey> {
  const role = signerRole(name)
  const mustBeNew = (): void => {
    if (trust.store.record('signer', name) === undefined) return
    throw new TrustError('WRONG_STATE', `the signer ${name} already exists`, {
      hint: `"countersign signer show ${name}" prints its key; or choose another name`,
    })
  }
  // Check before making the key, too: a key made on a token stays there.
  mustBeNew()
  const key = await newKey(trust, role)
  await change(trust, SERVER, async (_, now) => {
    mustBeNew()
    const value: TagSigner = { name, keyIds: [key.keyId], createdAt: now }
    return { kind: 'key', actor, keys: [key], records: [{ kind: 'signer', name, value }] }
  })
  return key
}

/**
 * Gives a signer a new key besides its old one: it signs with whichever of them a repository names, so that owners can add
 * the new one before they remove the old one.
 *
 * @returns the signer, and the new key
 * @throws TrustError NOT_FOUND; WRONG_STATE if it has two keys already: a retry after a lost answer would otherwise make one
 *   more, which owners would have to add too
 */
export async function rotateSigner(
  trust: Trust,
  name: string,
  actor: Actor,
): Promise<TagSigner & { readonly key: StoredKey }> {
  const role = signerRole(name)
  mustHaveOneKey(findSigner(trust, name))
  const key = await newKey(trust, role)
  const signer = await changeSigner(trust, name, actor, [key], (before) => {
    mustHaveOneKey(before)
    return [...before.keyIds, key.keyId]
  })
  return { ...signer, key }
}

/** Makes a key of a signer, which the caller stores. */
async function newKey(trust: Trust, role: DelegationRole): Promise<StoredKey> {
  return { ...(await trust.signer.create(SERVER, role)), role, pending: false, createdAt: trust.now() }
}

function mustHaveOneKey({ name, keyIds }: TagSigner): void {
  if (keyIds.length === 1) return
  throw new TrustError('WRONG_STATE', `the signer ${name} already has a new key: ${keyIds.at(-1)}`, {
    hint: `"countersign signer show ${name}" prints it, for owners to add; "countersign signer rotate ${name} --finish" gives up the old one`,
  })
}

/**
 * Makes a signer sign with its newest key only.
 *
 * @param newest id of that key, so that a newer one, which owners may not have yet, is not taken for it
 * @throws TrustError NOT_FOUND; WRONG_STATE if the signer has got another key since
 */
export async function finishSignerRotation(trust: Trust, name: string, newest: string, actor: Actor): Promise<void> {
  const keepNewest = ({ keyIds }: TagSigner): readonly string[] => {
    if (keyIds.at(-1) === newest) return [newest]
    throw new TrustError('WRONG_STATE', `the signer ${name} got another key in the meantime`, { hint: 'try again' })
  }
  await changeSigner(trust, name, actor, [], keepNewest)
}

async function changeSigner(
  trust: Trust,
  name: string,
  actor: Actor,
  keys: readonly StoredKey[],
  next: (signer: TagSigner) => readonly string[],
): Promise<TagSigner> {
  return changeWithResult(trust, SERVER, async () => {
    const signer = findSigner(trust, name)
    const changed = { ...signer, keyIds: next(signer) }
    return [{ kind: 'key', actor, keys, records: [{ kind: 'signer', name, value: changed }] }, changed]
  })
}

/** Removes a signer, even if its record cannot be read. Repositories go on naming its keys. @throws TrustError NOT_FOUND */
export async function removeSigner(trust: Trust, name: string, actor: Actor): Promise<void> {
  await changeRecords(trust, actor, async () => {
    try {
      findSigner(trust, name)
    } catch (error) {
      if (damageIn(error).code === 'NOT_FOUND') throw error
    }
    return [[{ kind: 'signer', name, value: null }], undefined]
  })
}
