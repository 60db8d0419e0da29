/** How much of something there is at the moment, of this process as a whole: held against a limit. */
export interface Count {
  /** @returns how much there is now */
  add(number: number): number
}

/** Of a process with one thread. */
export function newCount(): Count {
  let sum = 0
  return { add: (number) => (sum += number) }
}
