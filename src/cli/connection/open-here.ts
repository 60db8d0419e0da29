import { resolve } from 'node:path'
import { LOCAL } from '../../access/permission.ts'
import { parsed } from '../../admin/operation.ts'
import { rehearsing } from '../../admin/rehearse.ts'
import { controlSocket, isStaleSocket } from '../../control-socket.ts'
import { signerOf } from '../../custody.ts'
import { TrustError } from '../../errors.ts'
import { createLog } from '../../log/log.ts'
import type { Settings } from '../../settings/schema.ts'
import { hasKeys, openKeysDirectory, type Keys } from '../../signing/keys-directory.ts'
import { Database } from '../../store/database/database.ts'
import { mustHaveNoTrap } from '../../store/database/disarm.ts'
import { openStore, type LevelStore } from '../../store/level-store.ts'
import { trustOver } from '../../trust.ts'
import { worldOver } from '../../world.ts'
import type { Connection } from './connection.ts'
import { mustBeOwner } from './owner.ts'

/**
 * Returns a function that opens the data directory of a stopped server, to run operations in this process. It may be
 * called again: it opens the keys once, since a passphrase takes time.
 *
 * @returns throws TrustError DATA_LOCKED while another process has the directory open, CORRUPT if a server died of what
 *   it read, which would end this process too, and others
 */
export function openerOf(settings: Settings): () => Promise<Connection> {
  const { dataDirectory: directory, keysDirectory, anchorFile, passphraseFile } = settings
  let keys: Keys | undefined
  return async () => {
    await mustNotBeStarting(settings)
    await mustOwnDatabase(settings)
    // The server may have died of damage that it read.
    if (await isStaleSocket(controlSocket(settings))) await mustHaveNoTrap(directory)
    keys ??= await openKeysDirectory(keysDirectory, passphraseFile)
    return inProcess(settings, keys, await openStore({ directory, anchorFile, anchorKey: keys.anchorKey }))
  }
}

/**
 * Throws unless there is a database, and it belongs to this user, for commands that work on it in this process.
 *
 * @throws TrustError BAD_KEYS, FORBIDDEN
 */
export async function mustOwnDatabase({ dataDirectory, keysDirectory }: Settings): Promise<void> {
  if (!(await hasKeys(keysDirectory))) {
    throw new TrustError('BAD_KEYS', `no server was ever started with the keys directory ${resolve(keysDirectory)}`, {
      hint: 'run this where the server runs, with its settings (--config, COUNTERSIGN_KEYS_DIRECTORY); if this is its first start, try again in a moment',
    })
  }
  await mustBeOwner(dataDirectory)
  // As in a server, new files of LevelDB are accessible to the owner only.
  process.umask(0o077)
}

/** Throws if a first start holds the database open while it makes the keys. @throws TrustError DATA_LOCKED, FORBIDDEN */
async function mustNotBeStarting({ dataDirectory, keysDirectory }: Settings): Promise<void> {
  if (await hasKeys(keysDirectory)) return
  await mustBeOwner(dataDirectory)
  process.umask(0o077)
  try {
    await (await Database.open(dataDirectory, false)).close()
  } catch (error) {
    // Whoever needs the keys reports any other error better.
    if (error instanceof TrustError && error.code === 'DATA_LOCKED') throw error
  }
}

function inProcess(settings: Settings, keys: Keys, store: LevelStore): Connection {
  const signer = signerOf(settings, keys)
  const trust = trustOver(settings, { store, signer, log: createLog('silent') })
  const world = { ...worldOver(settings, trust, store, signer), asker: () => LOCAL, gone: interrupted }
  return {
    call: (operation, input, dryRun = false) =>
      operation.run(dryRun ? rehearsing(world) : world, parsed(operation, input), { name: LOCAL.name }),
    async close() {
      await Promise.all([signer.close(), store.close()])
    },
  }
}

/** Returns a signal that Ctrl-C or SIGTERM aborts; the second time, the process ends at once. */
export function interrupted(): AbortSignal {
  const gone = new AbortController()
  const abort = (): void => gone.abort(new TrustError('WRONG_STATE', 'interrupted: nothing was left behind'))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, abort)
  return gone.signal
}
