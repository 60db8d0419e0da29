import { hash } from 'node:crypto'

/** Of a key's hash, 32 bits each: enough that no two keys have the same. */
const WORDS = 4
const FIRST_SLOTS = 1_024

const FREE = 0
const EXPECTED = 1
const FOUND = 2

/**
 * Keys that must be there, each exactly once. A store has millions of them, and a server that checks itself has other work:
 * of each only a part of its hash is kept, outside of the heap, in a table of which half is free at least.
 */
export class ExpectedRecords {
  #hashes = new Uint32Array(FIRST_SLOTS * WORDS)
  #states = new Uint8Array(FIRST_SLOTS)
  #used = 0
  #left = 0

  /** How many were not found. */
  get left(): number {
    return this.#left
  }

  add(key: Buffer): void {
    if (2 * this.#used >= this.#states.length) this.#grow()
    const words = wordsOf(key)
    const slot = this.#slotOf(words)
    if (this.#states[slot] !== FREE) return
    this.#put(slot, words, EXPECTED)
    this.#used += 1
    this.#left += 1
  }

  /** One was found. @returns false if it was not expected, or found before */
  remove(key: Buffer): boolean {
    const slot = this.#slotOf(wordsOf(key))
    if (this.#states[slot] !== EXPECTED) return false
    this.#states[slot] = FOUND
    this.#left -= 1
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
