/**
 * Which names a delegation's paths let sign: those that begin with one of them. Whoever delegates chooses how many paths
 * there are, and whoever signs how many names: each name is held against one path, not against all.
 *
 * @param paths prefixes of names; `""` is everything
 */
export function namesUnder(paths: readonly string[]): (name: string) => boolean {
  const sorted: string[] = []
  for (const path of paths.toSorted()) {
    const last = sorted.at(-1)
    // What begins with another path follows it, and lets nothing more sign.
    if (last === undefined || !path.startsWith(last)) sorted.push(path)
  }
  return (name) => {
    let [least, most] = [0, sorted.length]
    while (least < most) {
      const middle = (least + most) >> 1
      if ((sorted[middle] ?? '') <= name) least = middle + 1
      else most = middle
    }
    // Between a prefix of the name and the name stands nothing but what begins with that prefix.
    const nearest = sorted[least - 1]
    return nearest !== undefined && name.startsWith(nearest)
  }
}
