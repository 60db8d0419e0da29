/** @returns undefined for no values */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  return sorted.length % 2 === 1 ? upper : upper && ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** A ratio computed for each round, since a disturbance of the machine affects neighbours in time alike. */
export interface Ratio {
  readonly median: number
  readonly smallest: number
  readonly largest: number
}

export function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio | undefined {
  const quotients = ours.flatMap((value, round) => (theirs[round] ? [value / theirs[round]] : []))
  const middle = median(quotients)
  return middle === undefined
    ? undefined
    : { median: middle, smallest: Math.min(...quotients), largest: Math.max(...quotients) }
}
