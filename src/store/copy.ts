import { fileError } from '../errors.ts'
import { AnchorFile } from './anchor.ts'
import { Database, type Write } from './database/database.ts'
import { readFormat, readTail } from './intact.ts'
import type { StorePlace } from './place.ts'

/** Bytes that are written at once: so long nothing else has its turn, 5 ms or so. */
const TOGETHER_BYTES = 256 * 1024
/** What a record costs beside its payload, bytes: most are small. */
const AROUND_BYTES = 512

/**
 * Write records into a new database, and the anchor that names the end of the journal among them: a store that opens as
 * if it had ended there.
 *
 * @param gone aborted: nobody waits for it any more
 * @returns how many records there are
 * @throws TrustError DATA_EXISTS, WRONG_STATE if it cannot be written, DATA_DAMAGED, STORE_UNAVAILABLE if the anchor cannot;
 *   whatever reading the records throws; why it was aborted
 */
export async function fillStore(records: AsyncIterable<Write>, to: StorePlace, gone?: AbortSignal): Promise<number> {
  await using database = await Database.open(to.directory, true)
  let count = 0
  for await (const writes of together(records)) {
    gone?.throwIfAborted()
    count += writes.length
    await database.write(writes).catch((cause: unknown) => {
      throw fileError('WRONG_STATE', `cannot write to ${to.directory}`, cause, 'look after the room that is left there')
    })
  }
  await makeAnchor(database, to)
  return count
}

/** All records, in pieces of some size. */
async function* together(records: AsyncIterable<Write>): AsyncGenerator<Write[]> {
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

async function makeAnchor(database: Database, { directory, anchorFile, anchorKey }: StorePlace): Promise<void> {
  const { store } = readFormat(database, directory)
  const { number, hash } = await readTail(database)
  await using anchor = await AnchorFile.open(anchorFile, anchorKey, true)
  anchor.write({ store, number, hash })
  await anchor.finish()
}
