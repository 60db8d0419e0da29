import { damageIn, unlessDamaged } from '../../errors.ts'
import { openRecord, RECORD_DIGEST_BYTES } from '../database/record.ts'
import type { Records } from '../database/records.ts'
import { hexSha256 } from '../journal.ts'
import { unflipped } from './flipped-bit.ts'
import { walkAround } from './view.ts'

/**
 * Where the content of a record came from. `whole`: it is as it should be; `itself`: from its own damaged bytes, or from
 * the record whose key has changed; `derived`: from what else is stored; `backup`: from there.
 */
export type Origin = 'whole' | 'itself' | 'derived' | 'backup'

/** A payload, and where it came from. */
export interface Found {
  readonly payload: Buffer
  readonly origin: Origin
}

/**
 * What is known of a payload beside its record's own hash. `nothing`: the damaged database is all there is to go by;
 * `parts`: enough to tell whether that of a backup is as new; `hash`: that of the payload, so that it counts also where the
 * record's own is wrong.
 */
type Known = 'nothing' | 'parts' | 'hash'

/** Damaged records that are kept, to look whether one is the record that is missing elsewhere: so many, of so many bytes. */
const MISFITS_MAX = 256
const MISFITS_MAX_BYTES = 64 * 1024 * 1024

/** Everything that a record may be taken from: a damaged database, and perhaps a backup of it. */
export class Sources {
  readonly #damaged: Records
  readonly #backup: Records | undefined
  readonly #misfits: Buffer[] = []
  #misfitBytes = 0

  private constructor(damaged: Records, backup: Records | undefined) {
    this.#damaged = damaged
    this.#backup = backup
  }

  /** @param seen told of every record that a walk over the damaged database comes by; no payload: it is damaged */
  static async over(
    damaged: Records,
    backup: Records | undefined,
    seen: (key: Buffer, payload: Buffer | undefined) => void,
  ): Promise<Sources> {
    const sources = new Sources(damaged, backup)
    for await (const { key, record } of walkAround(damaged)) {
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

  /** The record as the damaged database has it; undefined: there is none; `unreadable`: LevelDB cannot read its place. */
  raw(key: Buffer): Buffer | undefined | 'unreadable' {
    return rawOf(this.#damaged, key)
  }

  /** The payload of a record that the damaged database has, if its own hash is right. */
  whole(key: Buffer): Buffer | undefined {
    return wholeIn(this.#damaged, key)
  }

  /** The payload of a record that the backup has, if its own hash is right: nothing tells that it is the right one. */
  saved(key: Buffer): Buffer | undefined {
    return this.#backup === undefined ? undefined : wholeIn(this.#backup, key)
  }

  /** What the payload of a record may have been, best first. */
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
    // Last: it takes longest.
    const turned = whole === undefined && record !== undefined ? unflipped(key, record) : undefined
    if (turned !== undefined) yield { payload: turned, origin: 'itself' }
  }

  /** The first candidate that has this hash; undefined: that is right by its record's own. */
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

/** The payload of a record whose own hash is right. */
export function wholeIn(records: Records, key: Buffer): Buffer | undefined {
  const raw = rawOf(records, key)
  return Buffer.isBuffer(raw) ? opened(key, raw) : undefined
}

function opened(key: Buffer, record: Buffer): Buffer | undefined {
  return unlessDamaged(() => openRecord(key, record))
}
