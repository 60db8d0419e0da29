import canonicalize from 'canonicalize'
import { constants, writeSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fileError, TrustError } from '../errors.ts'
import { ANCHOR_HINT, UNSIGNED_ANCHOR_HINT } from './hints.ts'

/**
 * The anchor: the newest journal entry's number and hash, signed, in a file outside the database. It shows what no look
 * into the database can show: that its end is missing, or that it was put back to an older state.
 */
export interface Anchor {
  /** Id of the store; an anchor of another one is no anchor. */
  readonly store: string
  readonly number: number
  readonly hash: string
}

/** Signs the anchor; made by `signing/`, which the store does not know. */
export interface AnchorKey {
  sign(bytes: Uint8Array): Uint8Array
  verify(bytes: Uint8Array, signature: Uint8Array): boolean
}

const WRITABLE =
  'each commit writes it: mount its place for writing, or move it to another one that is named by the setting anchorFile'

const DISK = 'look after the disk that it is on, and the room that is left there'

/** Bytes of one of the two slots. */
const SLOT_BYTES = 512

/** How long an anchor that was written may wait for being forced to the disk, milliseconds. */
const SYNC_PAUSE = 200

/**
 * The file has two slots of fixed size, each one line of JSON, padded with spaces. One holds the last anchor that is
 * certainly on the disk, the other one is written to: a torn write leaves the former intact.
 *
 * An anchor is in the file when `write` returns, so the death of the process loses nothing. It is forced to the disk a
 * moment later, once for many: after a power cut it may stand behind the database, never before it, and the database,
 * which was forced to the disk, is held against it from there on.
 */
export class AnchorFile {
  readonly #file: FileHandle
  readonly #path: string
  readonly #key: AnchorKey
  /** Which slot the next write goes to: the one that does not hold the newest anchor on the disk. */
  #slot: 0 | 1 | undefined
  /** True while something is written that is not certainly on the disk. */
  #unsafe = false
  #syncing: Promise<void> | undefined
  #failure: TrustError | undefined
  readonly #closing = new AbortController()

  private constructor(file: FileHandle, path: string, key: AnchorKey) {
    this.#file = file
    this.#path = path
    this.#key = key
  }

  /**
   * @param create true: make the file, and fail if there is one; an empty one is what an interrupted creation left
   * @throws TrustError DATA_DAMAGED, DATA_EXISTS
   */
  static async open(path: string, key: AnchorKey, create: boolean): Promise<AnchorFile> {
    let file: FileHandle
    try {
      file = await open(path, constants.O_RDWR | (create ? constants.O_CREAT : 0), 0o600)
    } catch (cause) {
      const text = `cannot ${create ? 'make' : 'open'} the anchor file ${path}`
      const readOnly = (cause as NodeJS.ErrnoException).code === 'EROFS'
      throw fileError(
        'DATA_DAMAGED',
        text,
        cause,
        readOnly ? WRITABLE : create ? 'check the setting anchorFile' : ANCHOR_HINT,
      )
    }
    if (create && (await file.stat()).size > 0) {
      await file.close()
      throw new TrustError('DATA_EXISTS', `there is an anchor in ${path} already`, {
        hint: 'check the setting anchorFile',
      })
    }
    return new AnchorFile(file, path, key)
  }

  /** One that is not written to: the disk may be read-only. @throws TrustError DATA_DAMAGED */
  static async openToRead(path: string, key: AnchorKey): Promise<AnchorFile> {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw fileError('DATA_DAMAGED', `cannot open the anchor file ${path}`, cause, ANCHOR_HINT)
    })
    return new AnchorFile(file, path, key)
  }

  /** The newest anchor whose signature is right; undefined if there is none. @throws TrustError DATA_DAMAGED if it cannot be read */
  async read(): Promise<Anchor | undefined> {
    const reading = this.#file.read(Buffer.alloc(2 * SLOT_BYTES), 0, 2 * SLOT_BYTES, 0)
    const { buffer, bytesRead } = await reading.catch((cause: unknown) => {
      throw fileError('DATA_DAMAGED', `cannot read the anchor file ${this.#path}`, cause, ANCHOR_HINT)
    })
    const slots = [buffer.subarray(0, SLOT_BYTES), buffer.subarray(SLOT_BYTES, Math.max(SLOT_BYTES, bytesRead))]
    const [first, second] = slots.map((slot) => this.#parse(slot.toString('utf8').trimEnd()))
    const newest = (second?.number ?? -1) > (first?.number ?? -1) ? second : first
    this.#slot ??= newest !== undefined && newest === first ? 1 : 0
    return newest
  }

  /**
   * In the file when it returns, on the disk soon after.
   *
   * @throws TrustError STORE_UNAVAILABLE if it cannot be written, or the last one could not be forced to the disk
   */
  write(anchor: Anchor): void {
    this.#throwFailure()
    const signature = Buffer.from(this.#key.sign(bytesOf(anchor))).toString('base64')
    const line = `${JSON.stringify({ ...anchor, signature })}\n`
    const slot = Buffer.from(line.padEnd(SLOT_BYTES - 1).concat('\n'))
    this.#slot ??= 0
    try {
      writeSync(this.#file.fd, slot, 0, SLOT_BYTES, this.#slot * SLOT_BYTES)
    } catch (cause) {
      throw this.#cannotWrite(cause)
    }
    this.#unsafe = true
    this.#syncing ??= this.#syncSoon()
  }

  /** Nothing is written after it. Resolves when what was written is on the disk. @throws TrustError STORE_UNAVAILABLE */
  async finish(): Promise<void> {
    this.#closing.abort()
    await this.#syncing
    this.#throwFailure()
  }

  /** What could not be forced to the disk is told by `finish` alone: the next start goes on from the other slot. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#syncing
    await this.#file.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #syncSoon(): Promise<void> {
    await setTimeout(SYNC_PAUSE, undefined, { signal: this.#closing.signal }).catch(() => undefined)
    while (this.#unsafe) {
      this.#unsafe = false
      try {
        await this.#file.datasync()
      } catch (error) {
        this.#failure = this.#cannotWrite(error)
        break
      }
      // What was written meanwhile may be torn: the other slot stays the safe one until that is on the disk as well.
      if (!this.#unsafe) this.#slot = this.#slot === 0 ? 1 : 0
    }
    this.#syncing = undefined
  }

  #cannotWrite(cause: unknown): TrustError {
    return fileError('STORE_UNAVAILABLE', `cannot write the anchor file ${this.#path}`, cause, DISK)
  }

  /** Once. */
  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  #parse(line: string): Anchor | undefined {
    try {
      const { store, number, hash, signature } = JSON.parse(line) as Anchor & { signature: string }
      const anchor = { store, number, hash }
      return this.#key.verify(bytesOf(anchor), Buffer.from(signature, 'base64')) ? anchor : undefined
    } catch {
      return undefined
    }
  }
}

/** What an anchor file names. @throws TrustError DATA_DAMAGED if it is not there, or nothing in it is signed */
export async function readAnchorOf(path: string, key: AnchorKey): Promise<Anchor> {
  await using file = await AnchorFile.openToRead(path, key)
  const anchor = await file.read()
  if (anchor !== undefined) return anchor
  throw new TrustError('DATA_DAMAGED', 'the anchor has no valid signature', { hint: UNSIGNED_ANCHOR_HINT })
}

function bytesOf(anchor: Anchor): Buffer {
  return Buffer.from(canonicalize({ type: 'countersign-anchor', ...anchor }) ?? '')
}
