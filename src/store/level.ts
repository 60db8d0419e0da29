import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { fileError, TrustError } from '../errors.ts'
import { AnchorFile, type Anchor, type AnchorKey } from './anchor.ts'
import { Committer, type CommitterOptions } from './committer.ts'
import { Database } from './database.ts'
import { decodeFormat, encodeFormat, type Format } from './encoding.ts'
import { EMPTY_TAIL, entryTail, hexSha256, parseEntry, type Tail } from './journal.ts'
import { formatKey, journalKey, rangeOfKind } from './keyspace.ts'
import { CommitPacker, type PackedCommit } from './packed-commit.ts'
import { readerOver, type StoreReader } from './reader.ts'
import type { Records } from './records.ts'
import type { Store } from './store.ts'

/** Version of the layout of all records. A database with a higher one is refused. */
export const FORMAT_VERSION = 1

export interface StoreOptions extends CommitterOptions {
  /** Where LevelDB keeps its files. */
  readonly directory: string
  readonly anchorFile: string
  readonly anchorKey: AnchorKey
}

/** A store over LevelDB, with what an audit needs beside the contract. */
export interface LevelStore extends Store {
  /** The anchor, which follows the journal's end as it is now. @throws TrustError STORE_UNAVAILABLE */
  readonly readAnchor: () => Promise<Anchor | undefined>
  tail(): Tail
  /** Commit what another thread has packed. @throws TrustError as `commit` does */
  commitPacked(commit: PackedCommit): Promise<number>
  /** Everything as it is now, for an audit beside a running server. To be closed. */
  snapshot(): StoreSnapshot
}

export interface StoreSnapshot {
  readonly records: Records
  readonly reader: StoreReader
  close(): Promise<void>
}

/**
 * Make a new, empty store: database, then anchor. A database without anchor that nothing was ever committed to is what
 * an interrupted creation left: it is completed.
 *
 * @throws TrustError DATA_EXISTS if there is an anchor, or a database with commits; DATA_MISSING if it cannot be made
 */
export async function createStore(options: StoreOptions): Promise<void> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    const what = `cannot make the directory ${options.directory}`
    throw fileError('DATA_MISSING', what, cause, 'check the setting dataDirectory')
  })
  const anchor = await AnchorFile.open(options.anchorFile, options.anchorKey, true)
  try {
    const database = await Database.open(options.directory, true).catch((error: unknown) => {
      if (error instanceof TrustError && error.code === 'DATA_EXISTS') return Database.open(options.directory, false)
      throw error
    })
    try {
      if ((await readTail(database)).number > 0) {
        const text = `there is a database in ${options.directory}, but no anchor in ${options.anchorFile}`
        throw new TrustError('DATA_EXISTS', text, { hint: RESTORE })
      }
      const store = randomUUID()
      await database.write([{ key: formatKey(), payload: encodeFormat({ version: FORMAT_VERSION, store }) }])
      anchor.write({ store, number: EMPTY_TAIL.number, hash: EMPTY_TAIL.hash })
    } finally {
      await database.close()
    }
  } finally {
    await anchor.close()
  }
}

/**
 * Open a store, and hold its journal against the anchor.
 *
 * @throws TrustError DATA_MISSING, DATA_LOCKED, DATA_DAMAGED, DATA_NEWER
 */
export async function openStore(options: StoreOptions): Promise<LevelStore> {
  const database = await Database.open(options.directory, false)
  let anchor: AnchorFile | undefined
  try {
    const format = readFormat(database, options.directory)
    anchor = await AnchorFile.open(options.anchorFile, options.anchorKey, false)
    const tail = await readTail(database)
    await holdAgainstAnchor(database, anchor, format.store, tail)
    mustHaveNoGap(database, tail)
    const reader = readerOver(database, () => committer.tail)
    const committer = new Committer(database, (gun) => reader.head(gun), anchor, format.store, tail, options)
    return storeOver(database, reader, anchor, committer)
  } catch (error) {
    await database.close()
    await anchor?.close()
    throw error
  }
}

function storeOver(database: Database, reader: StoreReader, anchor: AnchorFile, committer: Committer): LevelStore {
  const packer = new CommitPacker(database, (gun) => reader.head(gun))
  return {
    ...reader,
    async readAnchor() {
      await committer.anchored()
      return anchor.read()
    },
    snapshot() {
      const records = database.snapshot()
      const { tail } = committer
      return { records, reader: readerOver(records, () => tail), close: () => records.close() }
    },
    commit: async (commit) => committer.commit(await packer.pack(commit)),
    commitPacked: (commit) => committer.commit(commit),
    readiness: () =>
      committer.failure === undefined ? { writable: true } : { writable: false, reason: committer.failure },
    async close() {
      await committer.close()
      await database.close()
      await anchor.close()
    },
  }
}

function readFormat(database: Database, directory: string): Format {
  let format: Format | undefined
  try {
    const payload = database.get(formatKey())
    format = payload === undefined ? undefined : decodeFormat(payload)
  } catch (cause) {
    throw new TrustError('DATA_DAMAGED', `the first record of the database in ${directory} is damaged`, { cause })
  }
  if (format === undefined) throw new TrustError('DATA_DAMAGED', `${directory} holds no database of Countersign`)
  if (format.version > FORMAT_VERSION) {
    const text = `the database in ${directory} has format ${format.version}, this version knows ${FORMAT_VERSION}`
    throw new TrustError('DATA_NEWER', text, { hint: 'start the newer version of Countersign that wrote it' })
  }
  return format
}

async function readTail(database: Database): Promise<Tail> {
  try {
    for await (const { payload } of database.entries({ ...rangeOfKind('journal'), reverse: true, limit: 1 })) {
      return entryTail(parseEntry(payload), payload)
    }
    return EMPTY_TAIL
  } catch (cause) {
    throw new TrustError('DATA_DAMAGED', 'the end of the journal is damaged', { hint: RESTORE, cause })
  }
}

/**
 * The journal must reach the anchor and agree with it there. It may go further by what was written just before the
 * process died; those entries must chain, then the anchor follows.
 */
async function holdAgainstAnchor(database: Database, file: AnchorFile, store: string, tail: Tail): Promise<void> {
  const anchor = await file.read()
  if (anchor === undefined) throw damaged('the anchor has no valid signature')
  if (anchor.store !== store) throw damaged('the anchor belongs to another database')
  if (anchor.number > tail.number) {
    throw damaged(
      `the database is older than its anchor: it ends with commit ${tail.number}, the anchor with ${anchor.number}`,
    )
  }
  let previous = anchor.hash
  for (let number = anchor.number; number <= tail.number; number += 1) {
    const payload = number === 0 ? undefined : database.get(journalKey(number))
    if (number > 0 && payload === undefined) throw damaged(`journal entry ${number} is missing`)
    if (payload === undefined) continue
    const hash = hexSha256(payload)
    const chains = number === anchor.number ? hash === anchor.hash : parseEntry(payload).previous === previous
    if (!chains) throw damaged(`journal entry ${number} is not the one that the anchor names, or does not follow it`)
    previous = hash
  }
  if (tail.number > anchor.number) file.write({ store, number: tail.number, hash: tail.hash })
}

/**
 * A MANIFEST that lost its end forgets the newest tables: entries are missing from the middle, a table or more of them.
 * Looked for at distances from the end that grow by a quarter: 60 look-ups for a million entries. `check` looks at all.
 */
function mustHaveNoGap(database: Database, tail: Tail): void {
  for (let distance = 1; distance < tail.number; distance += Math.ceil(distance / 4)) {
    const number = tail.number - distance
    if (!isMissing(database, number)) continue
    throw new TrustError('DATA_DAMAGED', `journal entry ${number} is missing, and perhaps others around it`, {
      hint: 'restore data directory and anchor from a backup',
    })
  }
}

/** Of one that is damaged, all others may be right: that is no reason to serve none. */
function isMissing(database: Database, number: number): boolean {
  try {
    return database.raw(journalKey(number)) === undefined
  } catch {
    return false
  }
}

const RESTORE = 'restore data directory and anchor from a backup; nothing was changed'

function damaged(text: string): TrustError {
  return new TrustError('DATA_DAMAGED', text, { hint: RESTORE })
}
