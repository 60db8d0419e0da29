import { fileError } from '../errors.ts'
import { makeAnchor } from './anchor.ts'
import { Database, type Write } from './database/database.ts'
import { readFormat, readTail } from './intact.ts'
import type { StorePlace } from './place.ts'

/** Bytes per write, which blocks the thread for about 5 ms. */
const TOGETHER_BYTES = 256 * 1024
/** Overhead per record, in bytes: most records are small. */
const AROUND_BYTES = 512

/**
 * Writes records into a new database, and an anchor for the end of their journal: the result opens as a complete store.
 *
 * @param gone aborts when nobody waits for the copy any more
 * @returns the number of records
 * @throws TrustError DATA_EXISTS; WRONG_STATE if it cannot be written; STORE_UNAVAILABLE if the anchor cannot be written;
 *   anything that reading the records throws; the reason of an abort
 */
export async function fillStore(records: AsyncIterable<Write>, to: StorePlace, gone?: AbortSignal): Promise<number> {
  await using database = await Database.open(to.directory, true)
  let count = 0
  for await (const writes of inChunks(records)) {
    gone?.throwIfAborted()
    count += writes.length
    await database.write(writes).catch((cause: unknown) => {
      throw fileError('WRONG_STATE', `cannot write to ${to.directory}`, cause, 'check the free space there')
    })
  }
  const { store } = readFormat(database, to.directory)
  const { number, hash } = await readTail(database)
  await makeAnchor(to.anchorFile, to.anchorKey, { store, number, hash })
  return count
}

/** Yields all records in chunks of about `TOGETHER_BYTES`. */
async function* inChunks(records: AsyncIterable<Write>): AsyncGenerator<Write[]> {
  let writes: Write[] = []
  let bytes = 0
  for await (const write of records) {
    writes.push(write)
    bytes += (write.payload ?? write.asFound ?? []).length + AROUND_BYTES
    if (bytes < TOGETHER_BYTES) continue
    yield writes
    writes = []
    bytes = 0
  }
  yield writes
}
