import { damageIn, unlessDamaged } from '../../errors.ts'
import { openRecord, RECORD_DIGEST_BYTES } from '../database/record.ts'
import type { Records } from '../database/records.ts'
import { hexSha256 } from '../journal.ts'
import { unflipped } from './flipped-bit.ts'
import { walkBothWays } from './view.ts'

/**
 * Where the content of a record came from. `whole`: the record is as it should be; `itself`: its own damaged bytes, or a
 * record whose key has changed; `derived`: other records; `backup`: the backup.
 */
export type Origin = 'whole' | 'itself' | 'derived' | 'backup'

/** A payload, and where it came from. */
export interface Found {
  readonly payload: Buffer
  readonly origin: Origin
}

/**
 * What is known about a payload, besides its record's own hash. `nothing`: only the damaged database can be trusted;
 * `parts`: enough to tell whether a backup's payload is as new; `hash`: the payload's hash, so that a payload counts even
 * if its record's own hash is wrong.
 */
type Known = 'nothing' | 'parts' | 'hash'

/** How many damaged records are kept, and their bytes: one may be a record missing elsewhere, under a changed key. */
const MISFITS_MAX = 256
const MISFITS_MAX_BYTES = 64 * 1024 * 1024

/** The sources of records: a damaged database, and perhaps a backup of it. */
export class Sources {
  readonly #damaged: Records
  readonly #backup: Records | undefined
  readonly #misfits: Buffer[] = []
  #misfitBytes = 0

  private constructor(damaged: Records, backup: Records | undefined) {
    this.#damaged = damaged
    this.#backup = backup
  }

  /** Walks the damaged database. @param seen called for every record on the way; the payload is undefined if damaged */
  static async over(
    damaged: Records,
    backup: Records | undefined,
    seen: (key: Buffer, payload: Buffer | undefined) => void,
  ): Promise<Sources> {
    const sources = new Sources(damaged, backup)
    for await (const { key, record } of walkBothWays(damaged)) {
      const payload = opened(key, record)
      if (payload === undefined) sources.#keepMisfit(record)
      seen(key, payload)
    }
    return sources
  }

  #keepMisfit(record: Buffer): void {
    if (this.#misfits.length >= MISFITS_MAX || this.#misfitBytes + record.length > MISFITS_MAX_BYTES) return
    this.#misfits.push(record)
    this.#misfitBytes += record.length
  }

  /** Returns the record in the damaged database; undefined if there is none; `unreadable` if LevelDB cannot read it. */
  raw(key: Buffer): Buffer | undefined | 'unreadable' {
    return rawOf(this.#damaged, key)
  }

  /** Returns the payload of a record in the damaged database, if its own hash is right. */
  whole(key: Buffer): Buffer | undefined {
    return wholeIn(this.#damaged, key)
  }

  /** Returns the payload of a record in the backup, if its own hash is right; it may still be an older one. */
  saved(key: Buffer): Buffer | undefined {
    return this.#backup === undefined ? undefined : wholeIn(this.#backup, key)
  }

  /** Yields candidates for the payload of a record, best first. */
  *candidates(key: Buffer, known: Known): IterableIterator<Found> {
    const raw = this.raw(key)
    const record = Buffer.isBuffer(raw) ? raw : undefined
    const whole = record && opened(key, record)
    if (whole !== undefined) yield { payload: whole, origin: 'whole' }
    if (known === 'hash' && record !== undefined) {
      yield { payload: record.subarray(RECORD_DIGEST_BYTES), origin: 'itself' }
    }
    for (const misfit of this.#misfits) {
      const payload = opened(key, misfit)
      if (payload !== undefined) yield { payload, origin: 'itself' }
    }
    const saved = known === 'nothing' ? undefined : this.saved(key)
    if (saved !== undefined) yield { payload: saved, origin: 'backup' }
    // Last, since it takes longest.
    const turned = whole === undefined && record !== undefined ? unflipped(key, record) : undefined
    if (turned !== undefined) yield { payload: turned, origin: 'itself' }
  }

  /** Returns the first candidate with this hash; if that is undefined, the first whose record's own hash is right. */
  find(key: Buffer, sha256: string | undefined): Found | undefined {
    for (const found of this.candidates(key, sha256 === undefined ? 'nothing' : 'hash')) {
      if (sha256 === undefined || hexSha256(found.payload) === sha256) return found
    }
    return undefined
  }
}

function rawOf(records: Records, key: Buffer): Buffer | undefined | 'unreadable' {
  try {
    return records.raw(key)
  } catch (error) {
    damageIn(error)
    return 'unreadable'
  }
}

/** Returns the payload of a record if its own hash is right. */
export function wholeIn(records: Records, key: Buffer): Buffer | undefined {
  const raw = rawOf(records, key)
  return Buffer.isBuffer(raw) ? opened(key, raw) : undefined
}

function opened(key: Buffer, record: Buffer): Buffer | undefined {
  return unlessDamaged(() => openRecord(key, record))
}
