import { join } from 'node:path'
import { TrustError } from './errors.ts'
import { isUnfinished } from './server-directory.ts'
import type { Settings } from './settings/schema.ts'
import { serverNames } from './settings/server-names.ts'
import { usesTls } from './settings/uses-tls.ts'
import { createKeysDirectory, hasKeys, openKeysDirectory, type Keys } from './signing/keys-directory.ts'
import { sizeOf } from './signing/secret-file.ts'
import { ensureTlsIdentity } from './signing/tls/identity.ts'
import { mustBeSet } from './store/journal.ts'
import { makeStore } from './store/make-store.ts'
import { whenUnlocked, type Waiting } from './store/when-unlocked.ts'

/**
 * Makes the keys and the empty store for a first start. Only a start that finds neither store nor anchor makes a store; it
 * refuses anything half there, since making the other half anew would hide a loss. An interrupted first start left no
 * commit, and is completed. The database is locked meanwhile, so that two first starts at once make each thing only once.
 *
 * @param now milliseconds since 1970
 * @returns the opened keys, and what was made, in words
 * @throws TrustError CLOCK, BAD_KEYS, DATA_MISSING, DATA_EXISTS, DATA_LOCKED, DATA_DAMAGED, CORRUPT
 */
export async function prepare(
  settings: Settings,
  waiting: Waiting,
  now: number,
): Promise<{ keys: Keys; made: string[] }> {
  const { dataDirectory, keysDirectory, anchorFile, passphraseFile } = settings
  const made: string[] = []
  let keys: Keys | undefined
  // The anchor is made last.
  if (!(await hasAnchor(settings))) {
    mustBeSet(now)
    keys = await whenUnlocked(() => makeFirst(settings, made), waiting)
  } else if (!(await hasKeys(keysDirectory))) {
    throw (await hasDatabase(settings)) ? withoutKeys(settings) : withNothingButAnchor(settings)
  }
  keys ??= await openKeysDirectory(keysDirectory, passphraseFile)
  if (!(await hasDatabase(settings))) {
    throw new TrustError('DATA_MISSING', `there is an anchor in ${anchorFile}, but no database in ${dataDirectory}`, {
      hint: 'restore the data directory from a backup, or check the setting dataDirectory',
    })
  }
  return { keys, made }
}

/** @returns the opened keys; undefined: another first start was faster, and they must be opened */
async function makeFirst(settings: Settings, made: string[]): Promise<Keys | undefined> {
  const { dataDirectory, keysDirectory, anchorFile, passphraseFile } = settings
  if (!(await hasKeys(keysDirectory)) && (await isUnfinished(keysDirectory))) throw withoutKeys(settings)
  let keys: Keys | undefined
  await makeStore(dataDirectory, async (store) => {
    if (await hasAnchor(settings)) return
    if (await hasKeys(keysDirectory)) keys = await openKeysDirectory(keysDirectory, passphraseFile)
    else {
      if (!store.isEmpty) throw withoutKeys(settings)
      keys = await createKeysDirectory(keysDirectory, passphraseFile)
      made.push(`keys in ${keysDirectory}`)
    }
    await store.complete({ anchorFile, anchorKey: keys.anchorKey })
    made.push(`an empty store in ${dataDirectory}`)
  })
  return keys
}

/** An empty file is not an anchor yet. */
async function hasAnchor({ anchorFile }: Settings): Promise<boolean> {
  return ((await sizeOf(anchorFile)) ?? 0) > 0
}

async function hasDatabase({ dataDirectory }: Settings): Promise<boolean> {
  return (await sizeOf(join(dataDirectory, 'CURRENT'))) !== undefined
}

/** Most likely a second server, with the anchor file of the first one. */
function withNothingButAnchor({ anchorFile, dataDirectory, keysDirectory }: Settings): TrustError {
  const text = `there is an anchor in ${anchorFile}, but neither a database in ${dataDirectory} nor a keyring in ${keysDirectory}`
  return new TrustError('DATA_MISSING', text, {
    hint: 'if this is a new server, set anchorFile to a file of its own; if not, restore both directories from a backup',
  })
}

function withoutKeys({ dataDirectory, keysDirectory }: Settings): TrustError {
  return new TrustError('BAD_KEYS', `there is a store in ${dataDirectory}, but no keyring in ${keysDirectory}`, {
    hint: 'restore the keys directory, or check the setting keysDirectory; without its keys the store is of no use',
  })
}

/**
 * Makes the TLS identity for a first start, or replaces one whose certificate is about to expire. The store is open by
 * then, in this process only.
 *
 * @param now milliseconds since 1970
 * @returns what was made, in words
 * @throws TrustError CLOCK, BAD_TLS
 */
export async function prepareTls(settings: Settings, now: number): Promise<string[]> {
  const { keysDirectory, tls } = settings
  if (!usesTls(settings) || tls.certificateFile !== undefined) return []
  mustBeSet(now)
  const parts = await ensureTlsIdentity(keysDirectory, serverNames(settings), now)
  return parts.length === 0 ? [] : [`${parts.join(' and ')} in ${join(keysDirectory, 'tls')}`]
}
