import { copyFileSync, linkSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { listReached } from './table-list.ts'
import { varint } from './varint.ts'
import { isLog, wholeBatches } from './write-ahead-log.ts'

/**
 * LevelDB goes on without a log that the system did not let it find, open or read to its end (too many open files, say), and
 * deletes it, with all commits that are in no table yet (db_impl.cc, RecoverLogFile; Node's binding cannot forbid it). So
 * each log has a second name while the database is being opened, and comes back if it was ignored.
 */

/** Ends the second name of a log; LevelDB ignores such files. */
const KEPT = /^\d+\.log\.kept$/
/** A batch begins with the sequence number of its first change, 8 bytes, and their number, 4 bytes, little-endian. */
const COUNT_AT = 8
const CHANGES_AT = 12
/** Begins a change that writes a value; 0 deletes the key. */
const WRITES = 1

/** Gives each log of a database a second name. Call it before LevelDB opens the database. @returns the second names */
export function keepLogs(directory: string): string[] {
  return readdirSync(directory)
    .filter(isLog)
    .flatMap((name) => {
      const kept = `${name}.kept`
      return keep(join(directory, name), join(directory, kept)) ? [kept] : []
    })
}

/** Removes second names, where LevelDB did not open the database. */
export function forgetLogs(directory: string, kept: readonly string[]): void {
  for (const name of kept) rmSync(join(directory, name), { force: true })
}

/**
 * Removes the second names of logs that LevelDB has read, and makes the others its next logs. Call it while LevelDB has the
 * database open, so that nobody else does, and before anything is written. Of several logs, which only a crash leaves, only
 * the newest is looked for.
 *
 * @param get returns what the database holds for a key
 * @returns false if logs were ignored: LevelDB reads them when it opens the database again
 * @throws Error if that cannot be determined; then the next opening does
 */
export function putBackIgnored(directory: string, get: (key: Buffer) => Buffer | undefined): boolean {
  const names = readdirSync(directory).filter((name) => KEPT.test(name))
  if (names.length === 0) return true
  const { sequence, log } = listReached(directory)
  const ignored = names
    // LevelDB still writes to the others: another handle of this process has them open.
    .filter((name) => parseInt(name, 10) < log)
    .filter((name) => isIgnored(readFileSync(join(directory, name)), sequence, get))
    .toSorted((one, other) => parseInt(one, 10) - parseInt(other, 10))
  for (const [index, name] of ignored.entries()) {
    renameSync(join(directory, name), join(directory, `${String(log + 1 + index).padStart(6, '0')}.log`))
  }
  forgetLogs(directory, names)
  return ignored.length === 0
}

/** @returns false if the log is gone: another process has the database open */
function keep(path: string, kept: string): boolean {
  rmSync(kept, { force: true })
  try {
    linkSync(path, kept)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    // Not every file system has hard links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code ?? '')) throw error
    copyFileSync(path, kept)
  }
  return true
}

/** @param reached the highest sequence number that the database knows */
function isIgnored(log: Buffer, reached: number, get: (key: Buffer) => Buffer | undefined): boolean {
  const batch = [...wholeBatches(log)].findLast(({ length }) => length >= CHANGES_AT)
  if (batch === undefined) return false
  const last = Number(batch.readBigUInt64LE()) + batch.readUInt32LE(COUNT_AT) - 1
  // LevelDB may have noted the number before it wrote the table: then the content tells.
  return last > reached || (last === reached && !changesIn(batch).every(({ key, value }) => isSame(get(key), value)))
}

function isSame(one: Buffer | undefined, other: Buffer | undefined): boolean {
  return one === undefined || other === undefined ? one === other : one.equals(other)
}

/** @returns what a batch leaves for each key; without value: nothing */
function changesIn(batch: Buffer): { key: Buffer; value?: Buffer }[] {
  const left = new Map<string, { key: Buffer; value?: Buffer }>()
  let at = CHANGES_AT
  const bytes = (): Buffer => {
    const [length, start] = varint(batch, at)
    at = start + length
    return batch.subarray(start, at)
  }
  while (at < batch.length) {
    const writes = batch.readUInt8(at) === WRITES
    at += 1
    const key = bytes()
    left.set(key.toString('latin1'), writes ? { key, value: bytes() } : { key })
  }
  return [...left.values()]
}
