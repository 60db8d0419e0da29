import { open, readdir, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isLog } from '../leveldb/write-ahead-log.ts'

/** For what LevelDB writes beside the content of its logs when it opens a database, and for the next commits: bytes. */
const SPARE_BYTES = 8 * 1024 * 1024
/** Files that LevelDB opens at once to open a database, with some for its tables. */
const SPARE_FILES = 12
/** Written at once, bytes. */
const CHUNK_BYTES = 1024 * 1024

/**
 * Can as much be written as LevelDB writes to open the database again, and as many files be opened? It makes a table of each
 * log, and a new MANIFEST. A file without a name is written: what stops it may be a quota, or a disk that is read-only since
 * its last error.
 *
 * @throws the system's error, or one that says how much room there is
 */
export async function mustHaveRoom(directory: string): Promise<void> {
  const logs = (await readdir(directory)).filter(isLog)
  const sizes = await Promise.all(logs.map(async (name) => (await stat(join(directory, name))).size))
  const needed = sizes.reduce((sum, size) => sum + size, SPARE_BYTES)
  const { bavail, bsize } = await statfs(directory)
  // Others on a nearly full disk are not to suffer from the trial.
  if (bavail * bsize < needed) throw new Error(`${bavail * bsize} bytes are free, ${needed} are needed`)
  const path = join(directory, 'room')
  await using files = new AsyncDisposableStack()
  const file = files.use(await open(path, 'w', 0o600))
  await unlink(path)
  for (let spare = 0; spare < SPARE_FILES; spare += 1) files.use(await open(directory, 'r'))
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let at = 0; at < needed; at += CHUNK_BYTES) await file.writeFile(chunk)
  await file.datasync()
}
