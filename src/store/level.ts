import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { TrustError } from '../errors.ts'
import type { Gun } from '../tuf/gun.ts'
import { AnchorFile, type AnchorKey } from './anchor.ts'
import { Committer, type FaultHook } from './committer.ts'
import { Database } from './database.ts'
import {
  decodeDocument,
  decodeFormat,
  decodeHead,
  decodeKeys,
  decodeOwner,
  encodeFormat,
  type Format,
} from './encoding.ts'
import { readJournal } from './journal-reader.ts'
import { EMPTY_TAIL, entryTail, hexSha256, parseEntry, type Tail } from './journal.ts'
import {
  documentKey,
  dueUntil,
  formatKey,
  headKey,
  journalKey,
  keysKey,
  ownerKey,
  parseKey,
  rangeOfKind,
  versionKey,
} from './keyspace.ts'
import type { Head, Store } from './store.ts'

/** Version of the layout of all records. A database with a higher one is refused. */
export const FORMAT_VERSION = 1

export interface StoreOptions {
  /** Where LevelDB keeps its files. */
  readonly directory: string
  readonly anchorFile: string
  readonly anchorKey: AnchorKey
  /** For tests. */
  readonly faults?: FaultHook
}

/** A store over LevelDB, with what an audit needs beside the contract. */
export interface LevelStore extends Store {
  readonly database: Database
  readonly anchor: AnchorFile
}

/**
 * Make a new, empty store: database and anchor.
 *
 * @throws TrustError DATA_EXISTS if either is there
 */
export async function createStore(options: StoreOptions): Promise<void> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  const anchor = await AnchorFile.open(options.anchorFile, options.anchorKey, true)
  const database = await Database.open(options.directory, true)
  const store = randomUUID()
  await database.write([{ key: formatKey(), payload: encodeFormat({ version: FORMAT_VERSION, store }) }])
  await anchor.write({ store, number: EMPTY_TAIL.number, hash: EMPTY_TAIL.hash })
  await database.close()
  await anchor.close()
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
    return storeOver(database, anchor, new Committer(database, anchor, format.store, tail, options.faults))
  } catch (error) {
    await database.close()
    await anchor?.close()
    throw error
  }
}

function storeOver(database: Database, anchor: AnchorFile, committer: Committer): LevelStore {
  const head = (gun: Gun): Head | undefined => {
    const payload = database.get(headKey(gun))
    return payload === undefined ? undefined : decodeHead(payload)
  }
  return {
    database,
    anchor,
    head,
    document(gun, role, at) {
      const sha256 = 'sha256' in at ? at.sha256 : database.get(versionKey(gun, role, at.version))?.toString('hex')
      const payload = sha256 === undefined ? undefined : database.get(documentKey(gun, role, sha256))
      return sha256 === undefined || payload === undefined ? undefined : decodeDocument(payload, sha256)
    },
    keys(gun, role) {
      const payload = database.get(keysKey(gun, role))
      return payload === undefined ? [] : decodeKeys(payload)
    },
    keyOwner(keyId) {
      const payload = database.get(ownerKey(keyId))
      return payload === undefined ? undefined : decodeOwner(payload)
    },
    commit: (commit) => committer.commit(commit),
    async due(time, limit) {
      const { gte } = rangeOfKind('due')
      const found: { gun: Gun; renewAt: number }[] = []
      for await (const key of database.keys({ gte, lt: dueUntil(time), limit })) {
        const [renewAt, gun] = parseKey(key)?.parts ?? []
        if (typeof renewAt === 'number' && typeof gun === 'string') found.push({ gun: gun as Gun, renewAt })
      }
      return found
    },
    async guns(limit, after) {
      const { gte, lt } = rangeOfKind('head')
      const found: Gun[] = []
      const range = after === undefined ? { gte, lt, limit } : { gt: headKey(after), lt, limit }
      for await (const key of database.keys(range)) found.push(key.toString('utf8', 1) as Gun)
      return found
    },
    journal: (query = {}) => {
      const revision = query.gun === undefined ? 0 : (head(query.gun)?.revision ?? 0)
      return readJournal(database, committer.tail.number, revision, query)
    },
    tail: () => committer.tail,
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
    const missing = anchor.number - tail.number
    throw damaged(
      `the database is older than its anchor: ${missing} commits, up to number ${anchor.number}, are missing`,
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
  if (tail.number > anchor.number) await file.write({ store, number: tail.number, hash: tail.hash })
}

const RESTORE = 'restore data directory and anchor from a backup; nothing was changed'

function damaged(text: string): TrustError {
  return new TrustError('DATA_DAMAGED', text, { hint: RESTORE })
}
