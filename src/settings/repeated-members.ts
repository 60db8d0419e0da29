/** A string, or what structures a JSON text; the rest does not matter here. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** An object or list that is open. */
interface Open {
  /** Undefined: a list. */
  readonly names: Set<string> | undefined
  /** The member that is being read. */
  name?: string
}

/**
 * Names, as in `listen.port`, of members that stand more than once in their object: the last one alone would count,
 * whatever the others say.
 *
 * @param text JSON that was parsed before
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
