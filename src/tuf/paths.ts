/**
 * Returns a test for the names that a delegation may sign: those that begin with one of its paths. Each name is compared
 * with one path only, since uploaders choose the numbers of both.
 *
 * @param paths prefixes of names; `""` covers everything
 */
export function namesUnder(paths: readonly string[]): (name: string) => boolean {
  const sorted: string[] = []
  for (const path of paths.toSorted()) {
    const last = sorted.at(-1)
    // A path that begins with an earlier one sorts after it, and covers nothing more.
    if (last === undefined || !path.startsWith(last)) sorted.push(path)
  }
  return (name) => {
    let [least, most] = [0, sorted.length]
    while (least < most) {
      const middle = (least + most) >> 1
      if ((sorted[middle] ?? '') <= name) least = middle + 1
      else most = middle
    }
    // Only paths that begin with a prefix of the name could sort between that prefix and the name, and they were dropped.
    const nearest = sorted[least - 1]
    return nearest !== undefined && name.startsWith(nearest)
  }
}
