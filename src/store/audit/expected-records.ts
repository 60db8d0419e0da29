import { hash } from 'node:crypto'

/** 32-bit words kept of each key's hash: enough that no two keys collide. */
const WORDS = 4
const FIRST_SLOTS = 1_024

const FREE = 0
const EXPECTED = 1
const FOUND = 2

/**
 * A set of keys that must each be found exactly once. Stores have millions of keys, and a server that checks itself has
 * other work to do: the set keeps only part of each key's hash, outside the heap, in a table that is at most half full.
 */
export class ExpectedRecords {
  #hashes = new Uint32Array(FIRST_SLOTS * WORDS)
  #states = new Uint8Array(FIRST_SLOTS)
  #used = 0
  #left = 0

  /** How many have not been found yet. */
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

  /** Marks a key as found. @returns false if it was not expected, or already found */
  remove(key: Buffer): boolean {
    const slot = this.#slotOf(wordsOf(key))
    if (this.#states[slot] !== EXPECTED) return false
    this.#states[slot] = FOUND
    this.#left -= 1
    return true
  }

  /** Returns the slot of a key, or the free slot where it belongs. */
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
