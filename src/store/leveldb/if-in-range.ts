/** Runs a reader of bytes that may be damaged. @returns undefined if it throws a RangeError: they make no sense */
export function ifInRange<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
