import { open, readdir, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isLog } from '../leveldb/write-ahead-log.ts'

/** Bytes for what LevelDB writes besides the content of its logs when it opens a database, and for the next commits. */
const SPARE_BYTES = 8 * 1024 * 1024
/** Files that LevelDB has open at once while it opens a database, with some for its tables. */
const SPARE_FILES = 12
/** Bytes per write. */
const CHUNK_BYTES = 1024 * 1024

/**
 * Throws unless LevelDB could reopen the database here: it turns each log into a table, writes a new MANIFEST, and needs
 * as many open files. Tries this with an unlinked file, since the obstacle may be a quota, or a disk that became read-only
 * after an error.
 *
 * @throws the system's error, or one that says how much room there is
 */
export async function mustHaveRoom(directory: string): Promise<void> {
  const logs = (await readdir(directory)).filter(isLog)
  const sizes = await Promise.all(logs.map(async (name) => (await stat(join(directory, name))).size))
  const needed = sizes.reduce((sum, size) => sum + size, SPARE_BYTES)
  const { bavail, bsize } = await statfs(directory)
  // On a nearly full disk this trial must not hurt other programs.
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
