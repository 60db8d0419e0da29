/** Bytes that OpenSSL keeps for a key, and for a certificate with its key; measured with P-256. */
export const KEY_BYTES = 3_000
export const CERTIFICATE_BYTES = 5_000

/** Bytes that may be allocated outside the heap before the collector is told. */
const OUTSIDE_MAX_BYTES = 8_000_000
/**
 * Bytes more outside the heap that make V8 collect all of it: its `kExternalAllocationSoftLimit`, and a quarter of
 * that.
 */
const ALARMING_BYTES = 80 * 1024 * 1024

let taken = 0

/**
 * Tells the collector that an object of `node:crypto` was made. V8 sees 70 bytes of a key, not what OpenSSL keeps
 * behind it, and lets tens of thousands of dead ones pile up: hundreds of megabytes, whose release in the end stops
 * everything for half a second. The only way to tell V8 is to allocate a buffer large enough to alarm it. Nobody
 * touches the buffer, so it takes no memory.
 *
 * @param bytes outside the heap
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

/** If the system refuses so large a buffer, the process goes on as it would without. */
function alarm(): void {
  try {
    void new ArrayBuffer(ALARMING_BYTES)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}
