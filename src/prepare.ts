import { join } from 'node:path'
import { TrustError } from './errors.ts'
import type { Settings } from './settings/schema.ts'
import { serverNames } from './settings/server-names.ts'
import { createKeysDirectory, hasKeys, openKeysDirectory, type Keys } from './signing/keys-directory.ts'
import { sizeOf } from './signing/secret-file.ts'
import { ensureTlsIdentity } from './signing/tls-identity.ts'
import { createStore } from './store/level.ts'

/**
 * Make what a first start needs: keys, TLS identity, an empty store. Only a start that finds neither store nor anchor
 * makes a store; anything half there is refused, since making the other half anew would hide a loss. What a first start
 * left that was interrupted holds no commit, and is completed.
 *
 * @param now milliseconds since 1970
 * @returns the opened keys, and what was made, in words
 * @throws TrustError BAD_KEYS, DATA_MISSING, DATA_EXISTS
 */
export async function prepare(settings: Settings, now: number): Promise<{ keys: Keys; made: string[] }> {
  const { dataDirectory, keysDirectory, anchorFile, passphraseFile } = settings
  const storeIsThere = (await sizeOf(join(dataDirectory, 'CURRENT'))) !== undefined
  // An anchor is written last: a file without content is none yet.
  const anchorIsThere = ((await sizeOf(anchorFile)) ?? 0) > 0
  const keysAreThere = await hasKeys(keysDirectory)
  const made: string[] = []
  if (!keysAreThere) {
    if (storeIsThere || anchorIsThere) {
      throw new TrustError('BAD_KEYS', `there is a store in ${dataDirectory}, but no keyring in ${keysDirectory}`, {
        hint: 'restore the keys directory, or check the setting keysDirectory; without its keys the store is of no use',
      })
    }
    await createKeysDirectory(keysDirectory, passphraseFile)
    made.push(`keys in ${keysDirectory}`)
  }
  const keys = await openKeysDirectory(keysDirectory, passphraseFile)
  if (anchorIsThere && !storeIsThere) {
    throw new TrustError('DATA_MISSING', `there is an anchor in ${anchorFile}, but no database in ${dataDirectory}`, {
      hint: 'restore the data directory from a backup, or check the setting dataDirectory',
    })
  }
  if (!anchorIsThere) {
    await createStore({ directory: dataDirectory, anchorFile, anchorKey: keys.anchorKey })
    made.push(`an empty store in ${dataDirectory}`)
  }
  if (needsTls(settings) && settings.tls.certificateFile === undefined) {
    const parts = await ensureTlsIdentity(keysDirectory, serverNames(settings), now)
    if (parts.length > 0) made.push(`${parts.join(' and ')} in ${join(keysDirectory, 'tls')}`)
  }
  return { keys, made }
}

/** The admin API has no plain HTTP. */
function needsTls({ listen, admin }: Settings): boolean {
  return listen.plainHttp === undefined || admin.listen !== undefined
}
