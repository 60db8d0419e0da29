import canonicalize from 'canonicalize'
import { writeSync } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { writeAtomically } from '../atomic-file.ts'
import { fileError, isMissing, TrustError } from '../errors.ts'
import { ANCHOR_HINT, UNSIGNED_ANCHOR_HINT } from './hints.ts'

/**
 * The anchor: number and hash of the newest journal entry, signed, in a file outside the database. It shows what the
 * database itself cannot: that its end is missing, or that it was rolled back to an older state.
 */
export interface Anchor {
  /** Id of the store; the anchor of another store does not count. */
  readonly store: string
  readonly number: number
  readonly hash: string
}

/** Signs and verifies the anchor; implemented by `signing/`, which the store does not know. */
export interface AnchorKey {
  sign(bytes: Uint8Array): Uint8Array
  verify(bytes: Uint8Array, signature: Uint8Array): boolean
}

const WRITABLE = 'each commit writes it: mount its directory writable, or move it elsewhere and set anchorFile'

const DISK = 'check the disk that it is on, and its free space'

/** Bytes of each of the two slots. */
const SLOT_BYTES = 512

/** How long a written anchor may wait for its sync to disk, in milliseconds. */
const SYNC_PAUSE = 200

/**
 * The anchor file. It has two slots of fixed size, each one line of JSON, padded with spaces. One holds the last anchor
 * known to be on the disk; writes go to the other, so a torn write leaves the first intact.
 *
 * An anchor is in the file when `write` returns, so the death of the process loses nothing. A moment later one sync puts
 * it on the disk, often several anchors at once. After a power cut it may therefore be behind the database, which is
 * synced with each commit, but never ahead; the next start checks the database from there on.
 */
export class AnchorFile {
  readonly #file: FileHandle
  readonly #path: string
  readonly #key: AnchorKey
  /** The slot for the next write: the one that does not hold the newest anchor on the disk. */
  #slot: 0 | 1 | undefined
  /** True while the file has writes that are not known to be on the disk. */
  #unsafe = false
  #syncing: Promise<void> | undefined
  #failure: TrustError | undefined
  readonly #closing = new AbortController()

  private constructor(file: FileHandle, path: string, key: AnchorKey) {
    this.#file = file
    this.#path = path
    this.#key = key
  }

  /** Opens the file for writing. @throws TrustError DATA_DAMAGED */
  static async open(path: string, key: AnchorKey): Promise<AnchorFile> {
    const file = await open(path, 'r+').catch((cause: unknown) => {
      const isReadOnly = (cause as NodeJS.ErrnoException).code === 'EROFS'
      const hint = isReadOnly ? WRITABLE : ANCHOR_HINT
      throw fileError('DATA_DAMAGED', `cannot open the anchor file ${path}`, cause, hint)
    })
    return new AnchorFile(file, path, key)
  }

  /** Opens the file for reading only, so that the disk may be read-only. @throws TrustError DATA_DAMAGED */
  static async openToRead(path: string, key: AnchorKey): Promise<AnchorFile> {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw fileError('DATA_DAMAGED', `cannot open the anchor file ${path}`, cause, ANCHOR_HINT)
    })
    return new AnchorFile(file, path, key)
  }

  /** Reads the newest validly signed anchor. @throws TrustError DATA_DAMAGED if there is none */
  async read(): Promise<Anchor> {
    const reading = this.#file.read(Buffer.alloc(2 * SLOT_BYTES), 0, 2 * SLOT_BYTES, 0)
    const { buffer, bytesRead } = await reading.catch((cause: unknown) => {
      throw fileError('DATA_DAMAGED', `cannot read the anchor file ${this.#path}`, cause, ANCHOR_HINT)
    })
    const slots = [buffer.subarray(0, SLOT_BYTES), buffer.subarray(SLOT_BYTES, Math.max(SLOT_BYTES, bytesRead))]
    const [first, second] = slots.map((slot) => this.#parse(slot.toString('utf8').trimEnd()))
    const newest = (second?.number ?? -1) > (first?.number ?? -1) ? second : first
    if (newest === undefined) {
      throw new TrustError('DATA_DAMAGED', 'the anchor has no valid signature', { hint: UNSIGNED_ANCHOR_HINT })
    }
    this.#slot ??= newest === first ? 1 : 0
    return newest
  }

  /**
   * Writes an anchor: it is in the file on return, and on the disk soon after.
   *
   * @throws TrustError STORE_UNAVAILABLE if it cannot be written, or the previous one could not be synced
   */
  write(anchor: Anchor): void {
    this.#throwFailure()
    this.#slot ??= 0
    try {
      writeSync(this.#file.fd, slotOf(anchor, this.#key), 0, SLOT_BYTES, this.#slot * SLOT_BYTES)
    } catch (cause) {
      throw this.#cannotWrite(cause)
    }
    this.#unsafe = true
    this.#syncing ??= this.#syncSoon()
  }

  /** Ends writing. Resolves when everything written is on the disk. @throws TrustError STORE_UNAVAILABLE */
  async finish(): Promise<void> {
    this.#closing.abort()
    await this.#syncing
    this.#throwFailure()
  }

  /** Closes the file. Only `finish` reports a failed sync: after one, the next start continues from the other slot. */
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
      // A write made meanwhile may be torn: the other slot stays the safe one until that write is on the disk, too.
      if (!this.#unsafe) this.#slot = this.#slot === 0 ? 1 : 0
    }
    this.#syncing = undefined
  }

  #cannotWrite(cause: unknown): TrustError {
    return fileError('STORE_UNAVAILABLE', `cannot write the anchor file ${this.#path}`, cause, DISK)
  }

  /** Throws the failure of the last sync, once. */
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

/** Reads the anchor in a file. @throws TrustError DATA_DAMAGED if the file is missing, or has no validly signed anchor */
export async function readAnchorOf(path: string, key: AnchorKey): Promise<Anchor> {
  await using file = await AnchorFile.openToRead(path, key)
  return await file.read()
}

/**
 * Makes an anchor file, which appears as a whole. Replaces an empty one, which is no anchor.
 *
 * @throws TrustError DATA_EXISTS if there is an anchor; STORE_UNAVAILABLE if the file cannot be written
 */
export async function makeAnchor(path: string, key: AnchorKey, anchor: Anchor): Promise<void> {
  if (await isFilled(path)) {
    const hint = 'check the setting anchorFile'
    throw new TrustError('DATA_EXISTS', `there is already an anchor in ${path}`, { hint })
  }
  await writeAtomically(path, slotOf(anchor, key), 0o600).catch((cause: unknown) => {
    const hint = isMissing(cause) ? 'check the setting anchorFile' : DISK
    throw fileError('STORE_UNAVAILABLE', `cannot create the anchor file ${path}`, cause, hint)
  })
}

/** True if there is more than an empty file. @throws TrustError STORE_UNAVAILABLE if that cannot be determined */
export async function isFilled(path: string): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size > 0,
    (cause: unknown) => {
      if (isMissing(cause)) return false
      throw fileError('STORE_UNAVAILABLE', `cannot look at the anchor file ${path}`, cause, DISK)
    },
  )
}

function slotOf(anchor: Anchor, key: AnchorKey): Buffer {
  const signature = Buffer.from(key.sign(bytesOf(anchor))).toString('base64')
  const line = `${JSON.stringify({ ...anchor, signature })}\n`
  return Buffer.from(line.padEnd(SLOT_BYTES - 1).concat('\n'))
}

function bytesOf(anchor: Anchor): Buffer {
  return Buffer.from(canonicalize({ type: 'countersign-anchor', ...anchor }) ?? '')
}
