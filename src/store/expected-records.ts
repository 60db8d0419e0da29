import { hash } from 'node:crypto'

/** Of a key's hash, 32 bits each: enough that no two keys have the same. */
const WORDS = 4
/** Parts of the table. Each grows by itself: to move all that is in it takes milliseconds, and nobody is answered meanwhile. */
const PARTS = 256
const FIRST_SLOTS = 64

const FREE = 0
const EXPECTED = 1
const FOUND = 2

/**
 * Keys that must be there, each exactly once. A store has millions of them, and a server that checks itself has other work:
 * of each only a part of its hash is kept, outside of the heap.
 */
export class ExpectedRecords {
  readonly #parts = Array.from({ length: PARTS }, () => new Part())
  #left = 0

  /** How many were not found. */
  get left(): number {
    return this.#left
  }

  add(key: Buffer): void {
    const words = wordsOf(key)
    if (this.#partOf(words).add(words)) this.#left += 1
  }

  /** One was found. @returns false if it was not expected, or found before */
  remove(key: Buffer): boolean {
    const words = wordsOf(key)
    const wasLeft = this.#partOf(words).remove(words)
    if (wasLeft) this.#left -= 1
    return wasLeft
  }

  #partOf(words: Uint32Array): Part {
    return this.#parts[(words[WORDS - 1] ?? 0) % PARTS]!
  }
}

/** A table of hashes, of which half is free at least. */
class Part {
  #hashes = new Uint32Array(FIRST_SLOTS * WORDS)
  #states = new Uint8Array(FIRST_SLOTS)
  #used = 0

  /** @returns false if it is there already */
  add(words: Uint32Array): boolean {
    if (2 * this.#used >= this.#states.length) this.#grow()
    const slot = this.#slotOf(words)
    if (this.#states[slot] !== FREE) return false
    this.#put(slot, words, EXPECTED)
    this.#used += 1
    return true
  }

  /** @returns false if it is not expected, or not any more */
  remove(words: Uint32Array): boolean {
    const slot = this.#slotOf(words)
    if (this.#states[slot] !== EXPECTED) return false
    this.#states[slot] = FOUND
    return true
  }

  /** The slot that has it, or the free one in which it would be. */
  #slotOf(words: Uint32Array): number {
    const last = this.#states.length - 1
    let slot = (words[0] ?? 0) & last
    while (this.#states[slot] !== FREE && !this.#has(slot, words)) slot = (slot + 1) & last
    return slot
  }

  #has(slot: number, words: Uint32Array): boolean {
    const at = slot * WORDS
    for (let word = 0; word < WORDS; word += 1) if (this.#hashes[at + word] !== words[word]) return false
    return true
  }

  #put(slot: number, words: Uint32Array, state: number): void {
    this.#hashes.set(words, slot * WORDS)
    this.#states[slot] = state
  }

  #grow(): void {
    const [hashes, states] = [this.#hashes, this.#states]
    this.#hashes = new Uint32Array(2 * hashes.length)
    this.#states = new Uint8Array(2 * states.length)
    for (const [slot, state] of states.entries()) {
      if (state === FREE) continue
      const words = hashes.subarray(slot * WORDS, (slot + 1) * WORDS)
      this.#put(this.#slotOf(words), words, state)
    }
  }
}

function wordsOf(key: Buffer): Uint32Array {
  const bytes = hash('sha256', key, 'buffer')
  return Uint32Array.of(bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12))
}
