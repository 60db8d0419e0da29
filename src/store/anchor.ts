import canonicalize from 'canonicalize'
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { TrustError } from '../errors.ts'

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

const TOGETHER = 'the anchor belongs to the database; restore both together'

/** Bytes of one of the two slots. */
const SLOT_BYTES = 512

/**
 * The file has two slots of fixed size that are written in turn, so that a torn write leaves the other one intact.
 * Each holds one line of JSON, padded with spaces.
 */
export class AnchorFile {
  readonly #file: FileHandle
  readonly #key: AnchorKey
  /** Which slot the next write goes to: the one that does not hold the newest anchor. */
  #slot = 0

  private constructor(file: FileHandle, key: AnchorKey) {
    this.#file = file
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
      const text = create ? `cannot make the anchor file ${path}` : `cannot open the anchor file ${path}`
      throw new TrustError('DATA_DAMAGED', text, { hint: TOGETHER, cause })
    }
    if (create && (await file.stat()).size > 0) {
      await file.close()
      throw new TrustError('DATA_EXISTS', `there is an anchor in ${path} already`, { hint: TOGETHER })
    }
    return new AnchorFile(file, key)
  }

  /** The newest anchor whose signature is right; undefined if there is none. */
  async read(): Promise<Anchor | undefined> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(2 * SLOT_BYTES), 0, 2 * SLOT_BYTES, 0)
    const slots = [buffer.subarray(0, SLOT_BYTES), buffer.subarray(SLOT_BYTES, Math.max(SLOT_BYTES, bytesRead))]
    const [first, second] = slots.map((slot) => this.#parse(slot.toString('utf8').trimEnd()))
    const newest = (second?.number ?? -1) > (first?.number ?? -1) ? second : first
    this.#slot = newest !== undefined && newest === first ? 1 : 0
    return newest
  }

  /** On disk when it resolves. */
  async write(anchor: Anchor): Promise<void> {
    const signature = Buffer.from(this.#key.sign(bytesOf(anchor))).toString('base64')
    const line = `${JSON.stringify({ ...anchor, signature })}\n`
    const slot = Buffer.from(line.padEnd(SLOT_BYTES - 1).concat('\n'))
    await this.#file.write(slot, 0, SLOT_BYTES, this.#slot * SLOT_BYTES)
    await this.#file.datasync()
    this.#slot = 1 - this.#slot
  }

  async close(): Promise<void> {
    await this.#file.close()
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

function bytesOf(anchor: Anchor): Buffer {
  return Buffer.from(canonicalize({ type: 'countersign-anchor', ...anchor }) ?? '')
}
