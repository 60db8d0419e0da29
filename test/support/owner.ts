import assert from 'node:assert/strict'
import type { Connection } from '../../src/cli/connection/connection.ts'
import { RootKeyring } from '../../src/cli/root/keyring.ts'
import { stageAndPublish } from '../../src/cli/root/stage-and-publish.ts'
import type { HeldRole } from '../../src/tuf/role.ts'
import './derived-once.ts'

/** Where a server was started, and where files are. */
interface Place {
  connect(): Promise<Connection>
  path(name: string): string
}

/** Somebody with root keys whose passphrase is in a file. */
interface Owner {
  /** Makes a root key, as `root create` does. */
  readonly makeRootKey: (name: string) => Promise<void>
  /** Creates a repository, as `repo create` does; by default with the root key `root`, made at its first use. */
  readonly create: (gun: string, ...rootKeys: string[]) => Promise<void>
  /** Creates one for several persons, or with one certificate for many repositories, whose common name ends with `*`. */
  readonly createWith: (
    gun: string,
    rootKeys: readonly string[],
    more: { readonly threshold?: number; readonly commonName?: string },
  ) => Promise<void>
  /** Gives roles new keys that the server holds, as `key rotate` does; the root keys stay. */
  readonly rotate: (gun: string, roles: readonly HeldRole[]) => Promise<void>
}

/** Makes root keys and repositories without a process for each, for tests that do not examine these commands. */
export async function asOwner(
  place: Place,
  passphraseFile: string,
  work: (owner: Owner) => Promise<void>,
): Promise<void> {
  const connection = await place.connect()
  try {
    const keyring = new RootKeyring(connection, place.path(passphraseFile))
    const createWith: Owner['createWith'] = async (gun, rootKeys, { threshold, commonName = gun }) => {
      const certificates: string[] = []
      for (const name of rootKeys) certificates.push(await keyring.certificate(await keyring.open(name), commonName))
      const change = { what: 'create' as const, certificates, ...(threshold === undefined ? {} : { threshold }) }
      const { version } = await stageAndPublish(connection, keyring, gun, change)
      assert.equal(version, 1, gun)
    }
    await work({
      createWith,
      async makeRootKey(name) {
        await keyring.create(name)
      },
      async create(gun, ...rootKeys) {
        const isMade = (await keyring.records()).some(({ name }) => name === 'root')
        if (rootKeys.length === 0 && !isMade) await keyring.create('root')
        await createWith(gun, rootKeys.length === 0 ? ['root'] : rootKeys, {})
      },
      async rotate(gun, roles) {
        const { version } = await stageAndPublish(connection, keyring, gun, { what: 'keys', roles: [...roles] })
        assert.notEqual(version, undefined, gun)
      },
    })
  } finally {
    await connection.close()
  }
}

/** Creates repositories that share the root key `root`, made at its first use. */
export function createRepositories(place: Place, passphraseFile: string, ...guns: string[]): Promise<void> {
  return asOwner(place, passphraseFile, async ({ create }) => {
    for (const gun of guns) await create(gun)
  })
}

/** Makes root keys under one passphrase. */
export function makeRootKeys(place: Place, passphraseFile: string, ...names: string[]): Promise<void> {
  return asOwner(place, passphraseFile, async ({ makeRootKey }) => {
    for (const name of names) await makeRootKey(name)
  })
}
