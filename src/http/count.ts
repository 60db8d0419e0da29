/** A current amount of something in the whole process, compared with a limit. */
export interface Count {
  /** @returns the amount after adding */
  add(number: number): number
}

/** Returns a count for a process with one thread. */
export function newCount(): Count {
  let sum = 0
  return { add: (number) => (sum += number) }
}

/** The total amount, and that of each party. */
export interface Counts {
  readonly all: Count
  /** @param who a party's name */
  of(who: string): Count
}

/** Returns counts for a process with one thread. */
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
