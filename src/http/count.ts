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

/** The same of all together, and of each who has a part in it. */
export interface Counts {
  readonly all: Count
  /** @param who the name of one of them */
  of(who: string): Count
}

/** Of a process with one thread. */
export function newCounts(): Counts {
  const sums = new Map<string, number>()
  const add = (who: string, number: number): number => {
    const sum = (sums.get(who) ?? 0) + number
    if (sum === 0) sums.delete(who)
    else sums.set(who, sum)
    return sum
  }
  return { all: newCount(), of: (who) => ({ add: (number) => add(who, number) }) }
}
