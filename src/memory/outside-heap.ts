/** What OpenSSL keeps of a key, and of a certificate with its key; measured with P-256, bytes. */
export const KEY_BYTES = 3_000
export const CERTIFICATE_BYTES = 5_000

/** So much may be taken outside of the heap before the collector is told, bytes. */
const OUTSIDE_MAX_BYTES = 8_000_000
/** It looks at all of the heap when this much more is held outside: V8's `kExternalAllocationSoftLimit`, and a quarter of it. */
const ALARMING_BYTES = 80 * 1024 * 1024

let taken = 0

/**
 * Say of an object of `node:crypto` that it was made. V8 sees 70 bytes of a key, not what OpenSSL keeps behind it, and lets
 * tens of thousands of dead ones wait: hundreds of megabytes, and when they go at last, half a second for which everybody
 * waits. There is one way to tell it: a buffer so large that it is alarmed. Nobody touches it, so it takes no memory.
 *
 * @param bytes outside of the heap
 * @returns the object
 */
export function keptOutside<Value>(object: Value, bytes: number): Value {
  taken += bytes
  if (taken > OUTSIDE_MAX_BYTES) {
    taken = 0
    alarm()
  }
  return object
}

/** A system that does not give so much at once, though nobody touches it, goes on as it would without. */
function alarm(): void {
  try {
    void new ArrayBuffer(ALARMING_BYTES)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}
