/** A string, or punctuation that structures a JSON text; the rest does not matter here. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** An object or list that has not ended yet. */
interface Open {
  /** Undefined: a list. */
  readonly names: Set<string> | undefined
  /** The member being read. */
  name?: string
}

/**
 * Returns the names, as in `listen.port`, of members that occur more than once in their object: only the last one would
 * count, whatever the others say.
 *
 * @param text valid JSON
 */
export function repeatedMembers(text: string): string[] {
  const repeated: string[] = []
  const open: Open[] = []
  let string = ''
  for (const [token] of text.matchAll(TOKEN)) {
    const inner = open.at(-1)
    if (token === '{') open.push({ names: new Set() })
    else if (token === '[') open.push({ names: undefined })
    else if (token === '}' || token === ']') open.pop()
    else if (token !== ':') string = token
    else if (inner?.names !== undefined) {
      inner.name = JSON.parse(string) as string
      if (inner.names.has(inner.name)) repeated.push(open.flatMap(({ name }) => name ?? []).join('.'))
      inner.names.add(inner.name)
    }
  }
  return repeated
}
