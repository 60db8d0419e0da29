import { access, constants, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { damageIn, fileError, TrustError } from '../../errors.ts'
import { lockedError, mustHaveCurrent } from '../database/open-level.ts'
import { Records } from '../database/records.ts'
import { isTable, tableNumber, tablesToFollow } from '../leveldb/table-list.ts'
import { isLog } from '../leveldb/write-ahead-log.ts'
import { filesNow, isList } from './files-now.ts'
import { withMatchingChecksums } from './log-file.ts'
import { withoutTraps } from './mended-table.ts'
import { readableBytes } from './readable-bytes.ts'
import { openViewLevel } from './view-level.ts'

/** A read-only view of a database at one moment. The caller closes it: it has a directory of its own. */
export interface View {
  readonly records: Records
  /** Files in which flipped bits were turned back, in the view only, and how many bits. */
  readonly turnedBack: readonly { readonly file: string; readonly bits: number }[]
  /** True if LevelDB's own list of its tables, or one of them, was gone. */
  readonly relisted: boolean
  close(): Promise<void>
}

/**
 * Opens a view of a database without changing it. LevelDB writes when it opens a database, and may compact damaged tables
 * with others. So it opens a directory with links to the tables, which it only reads or drops, and copies of the other
 * files and of tables with a wrong checksum. The view shares the database's lock once it is open, so no server can have the
 * database open from then on, except on a read-only disk, where it cannot be locked.
 *
 * @throws TrustError DATA_MISSING, WRONG_STATE; DATA_LOCKED also if somebody used it while its files were read; DATA_DAMAGED
 *   if LevelDB cannot open it
 */
export async function openView(directory: string): Promise<View> {
  await mustHaveCurrent(directory, false).catch((error: unknown) => {
    if (!(error instanceof TrustError && error.code === 'DATA_DAMAGED')) throw error
  })
  const view = await mkdtemp(join(tmpdir(), 'countersign-view-')).catch((cause: unknown) => {
    const hint = 'check the temporary directory and its free space, or set TMPDIR to another one'
    throw fileError('WRONG_STATE', `cannot create a directory in ${tmpdir()}`, cause, hint)
  })
  const turnedBack: { file: string; bits: number }[] = []
  const remove = (): Promise<void> => rm(view, { recursive: true, force: true })
  let before: string | undefined
  try {
    before = await filesNow(directory)
    const listed = tablesToFollow(directory)
    for (const name of await readdir(directory)) {
      const bits = await putInView(name, resolve(directory), view, listed)
      if (bits > 0) turnedBack.push({ file: name, bits })
    }
    const { level, relisted } = await openViewLevel(view, directory, listed !== undefined)
    // Only now the database is locked. What was read of one that somebody was using would look damaged, or is old.
    if ((await filesNow(directory)) !== before) {
      await level.close()
      throw lockedError(directory)
    }
    return {
      records: new Records(() => level),
      turnedBack,
      relisted,
      async close() {
        await level.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    if (before !== undefined && (await filesNow(directory).catch(() => before)) !== before) {
      throw lockedError(directory, error)
    }
    if (error instanceof TrustError) throw error
    const hint = 'check the owner of these files, and the free space in the temporary directory (TMPDIR)'
    throw fileError('DATA_DAMAGED', `cannot look into ${directory}`, error, hint)
  }
}

/**
 * Links or copies a file of a database into a view, if LevelDB needs it there.
 *
 * @param listed numbers of the tables in LevelDB's list, if it can be followed
 * @returns how many flipped bits were turned back in the copy
 */
async function putInView(
  name: string,
  directory: string,
  view: string,
  listed: ReadonlySet<number> | undefined,
): Promise<number> {
  const [from, to] = [join(directory, name), join(view, name)]
  if (name === 'LOCK') {
    if (!(await isReadOnly(from))) await symlink(from, to)
    return 0
  }
  if (isList(name)) {
    await writeFile(to, await readableBytes(from))
    return 0
  }
  if (isLog(name)) {
    const { bytes, bits } = withMatchingChecksums(await readableBytes(from))
    await writeFile(to, bytes)
    return bits
  }
  // LevelDB would write over a table that is not in its list.
  if (!isTable(name) || listed?.has(tableNumber(name)) === false) return 0
  const mended = withoutTraps(await readableBytes(from))
  if (mended === undefined) await symlink(from, to)
  else await writeFile(to, mended.bytes)
  return mended?.bits ?? 0
}

async function isReadOnly(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS'
  }
}

/**
 * Yields all records that a walk reaches, unchecked: forward and, if a damaged place stops that, backward from the end.
 * Misses records between two damaged places.
 *
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function* walkBothWays(records: Records): AsyncGenerator<{ key: Buffer; record: Buffer }> {
  let last: Buffer | undefined
  try {
    for await (const entry of records.rawEntries({})) {
      last = entry.key
      yield entry
    }
    return
  } catch (error) {
    damageIn(error)
  }
  try {
    yield* records.rawEntries({ reverse: true, ...(last === undefined ? {} : { gt: last }) })
  } catch (error) {
    damageIn(error)
  }
}
