import { randomUUID } from 'node:crypto'
import { fileError, TrustError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'
import { isFilled, makeAnchor } from './anchor.ts'
import { Database } from './database/database.ts'
import { holdsRecords } from './database/open-level.ts'
import { encodeFormat } from './encoding.ts'
import { ANCHOR_HINT, REPAIR_HINT } from './hints.ts'
import { FORMAT_VERSION } from './intact.ts'
import { EMPTY_TAIL } from './journal.ts'
import { formatKey } from './keyspace.ts'
import type { StorePlace } from './place.ts'

/** A store being made: its database exists, its anchor may not. */
interface BegunStore {
  /** False if the database has records, of a store whose anchor is gone. */
  readonly isEmpty: boolean
  /**
   * Writes the first record and the anchor.
   *
   * @throws TrustError DATA_EXISTS if the database is not empty, or there is an anchor; DATA_MISSING if the database cannot
   *   be written; STORE_UNAVAILABLE if the anchor cannot
   */
  complete(place: Pick<StorePlace, 'anchorFile' | 'anchorKey'>): Promise<void>
}

/**
 * Makes a store: its database, then whatever `finish` does. The database stays locked meanwhile, so that nobody else makes
 * or opens one in its place. Reuses an empty database that an interrupted creation left without an anchor.
 *
 * @throws TrustError DATA_MISSING if it cannot be made, DATA_LOCKED, DATA_DAMAGED, CORRUPT; anything `finish` throws
 */
export async function makeStore(directory: string, finish: (begun: BegunStore) => Promise<void>): Promise<void> {
  await makeDirectory(directory).catch((cause: unknown) => {
    throw fileError(
      'DATA_MISSING',
      `cannot create the directory ${directory}`,
      cause,
      'check the setting dataDirectory',
    )
  })
  await using database = await Database.open(directory, true).catch((error: unknown) => {
    if (error instanceof TrustError && error.code === 'DATA_EXISTS') return openBegun(directory)
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
      const store = randomUUID()
      const format = { key: formatKey(), payload: encodeFormat({ version: FORMAT_VERSION, store }) }
      await database.write([format]).catch((cause: unknown) => {
        const text = `cannot write to ${directory}`
        throw fileError('DATA_MISSING', text, cause, 'check the free space there, and start again')
      })
      await makeAnchor(anchorFile, anchorKey, { store, number: EMPTY_TAIL.number, hash: EMPTY_TAIL.hash })
    },
  })
}

/** Opens a database that exists. A power cut in its very first moment leaves one that LevelDB cannot open. */
async function openBegun(directory: string): Promise<Database> {
  try {
    return await Database.open(directory, false)
  } catch (cause) {
    const isDamaged = cause instanceof TrustError && cause.hint === REPAIR_HINT
    if (!isDamaged || (await holdsRecords(directory))) throw cause
    const hint = `it holds nothing yet, since its creation was interrupted: remove the files in ${directory}, and start again`
    throw new TrustError('DATA_DAMAGED', cause.message, { cause, hint })
  }
}

/**
 * Throws if the first start was interrupted, so that nobody restores or repairs what never held anything.
 *
 * @throws TrustError DATA_MISSING; STORE_UNAVAILABLE if the anchor file cannot be looked at
 */
export async function mustBeComplete(database: Database, anchorFile: string): Promise<void> {
  if ((await isFilled(anchorFile)) || (await holdsAnything(database))) return
  const text = `the first start with the database in ${database.directory} was interrupted: there is no anchor in ${anchorFile} yet`
  throw new TrustError('DATA_MISSING', text, {
    hint: 'start the server, which completes it: nothing was committed yet; if it has run already, check the setting anchorFile',
  })
}

/** True for any record but the first, with or without a journal: an interrupted copy is not a new store either. */
async function holdsAnything(database: Database): Promise<boolean> {
  for await (const key of database.keys({ limit: 2 })) if (!key.equals(formatKey())) return true
  return false
}
