import { isDeepStrictEqual } from 'node:util'
import { TrustError } from '../../errors.ts'

/** A part of a request, and the members that it contains. */
export type RequestPart = readonly [where: string, members: Readonly<Record<string, unknown>>]

/**
 * Merges the members from all parts of a request. If two parts disagree, nobody knows which is meant.
 *
 * @throws TrustError INVALID_PARAMETERS if a member has two different values
 */
export function mergedInput(...places: readonly RequestPart[]): Record<string, unknown> {
  const all = new Map<string, { readonly value: unknown; readonly where: string }>()
  for (const [where, members] of places) {
    for (const [name, value] of Object.entries(members)) {
      const before = all.get(name)
      if (before !== undefined && !isDeepStrictEqual(before.value, value)) refuseConflict(name, before.where, where)
      all.set(name, { value, where })
    }
  }
  return Object.fromEntries([...all].map(([name, { value }]) => [name, value]))
}

function refuseConflict(name: string, one: string, other: string): never {
  throw new TrustError('INVALID_PARAMETERS', `${name} has two different values: in ${one} and in ${other}`, {
    hint: 'give it only once',
  })
}
