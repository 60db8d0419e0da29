import { randomUUID } from 'node:crypto'
import { fileError, TrustError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'
import { AnchorFile } from './anchor.ts'
import { Database } from './database/database.ts'
import { encodeFormat } from './encoding.ts'
import { ANCHOR_HINT } from './hints.ts'
import { FORMAT_VERSION } from './intact.ts'
import { EMPTY_TAIL } from './journal.ts'
import { formatKey } from './keyspace.ts'
import type { StorePlace } from './place.ts'

/** A store that is being made: there is a database. */
interface BegunStore {
  /** False: it holds records, of a store whose anchor is gone. */
  readonly isEmpty: boolean
  /**
   * Make its anchor.
   *
   * @throws TrustError DATA_EXISTS if it is not empty, or there is an anchor; DATA_MISSING, DATA_DAMAGED, STORE_UNAVAILABLE
   *   if one of both cannot be written
   */
  complete(place: Pick<StorePlace, 'anchorFile' | 'anchorKey'>): Promise<void>
}

/**
 * Make a store: its database, then what `finish` does. The database is locked meanwhile: nobody else makes or opens anything
 * in its place. One without anchor that nothing was ever committed to is what an interrupted creation left, and is taken.
 *
 * @throws TrustError DATA_MISSING if it cannot be made, DATA_LOCKED, DATA_DAMAGED, CORRUPT; whatever `finish` throws
 */
export async function makeStore(directory: string, finish: (begun: BegunStore) => Promise<void>): Promise<void> {
  await makeDirectory(directory).catch((cause: unknown) => {
    throw fileError('DATA_MISSING', `cannot make the directory ${directory}`, cause, 'check the setting dataDirectory')
  })
  await using database = await Database.open(directory, true).catch((error: unknown) => {
    if (error instanceof TrustError && error.code === 'DATA_EXISTS') return Database.open(directory, false)
    throw error
  })
  const isEmpty = !(await holdsAnything(database))
  await finish({
    isEmpty,
    async complete({ anchorFile, anchorKey }) {
      if (!isEmpty) {
        const text = `there is a database in ${directory}, but no anchor in ${anchorFile}`
        throw new TrustError('DATA_EXISTS', text, { hint: ANCHOR_HINT })
      }
      await using anchor = await AnchorFile.open(anchorFile, anchorKey, true)
      const store = randomUUID()
      try {
        await database.write([{ key: formatKey(), payload: encodeFormat({ version: FORMAT_VERSION, store }) }])
        anchor.write({ store, number: EMPTY_TAIL.number, hash: EMPTY_TAIL.hash })
        await anchor.finish()
      } catch (cause) {
        if (cause instanceof TrustError) throw cause
        const text = `cannot write to ${directory}`
        throw fileError('DATA_MISSING', text, cause, 'look after the room that is left there, and start again')
      }
    },
  })
}

/** Also what is left without its journal, of a copy that was interrupted say, is no new store. */
async function holdsAnything(database: Database): Promise<boolean> {
  for await (const key of database.keys({ limit: 2 })) if (!key.equals(formatKey())) return true
  return false
}
