import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Operation } from '../../admin/operation.ts'
import { TrustError } from '../../errors.ts'
import type { AdminContext } from './state.ts'

/** Most members of a query; no operation takes more than a few. */
const QUERY_MEMBERS_MAX = 100

/** A part of a request, and the members that it contains. */
type RequestPart = readonly [where: string, members: Readonly<Record<string, unknown>>]

/** Returns what the request's head says. @throws TrustError INVALID_PARAMETERS */
export function headOf({ input }: Operation, ctx: AdminContext): RequestPart[] {
  // Koa compares each member with all others: many of them would hold up everybody for seconds.
  if (ctx.querystring.split('&').length > QUERY_MEMBERS_MAX) {
    throw new TrustError('INVALID_PARAMETERS', `the query has more than ${QUERY_MEMBERS_MAX} members`)
  }
  const { dryRun: _, ...query } = ctx.query
  const empty = Object.keys(query).find((name) => String(query[name]).trim() === '')
  // Coerced to a number, it would be 0.
  if (empty !== undefined) throw new TrustError('INVALID_PARAMETERS', `${empty}: has no value; leave it out`)
  const ifMatch = ctx.get('If-Match')
  const headers = ifMatch !== '' && 'ifMatch' in input.shape ? { ifMatch } : {}
  return [
    ['the path', ctx.params as Record<string, string>],
    ['the query', query],
    ['If-Match', headers],
  ]
}

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

/** A typing error must not turn a rehearsal into the real thing. @throws TrustError INVALID_PARAMETERS */
export function isRehearsal({ query }: AdminContext): boolean {
  const { dryRun = 'false' } = query
  if (dryRun === 'true' || dryRun === 'false') return dryRun === 'true'
  throw new TrustError('INVALID_PARAMETERS', 'dryRun: write it as dryRun=true')
}

/**
 * Returns the repository, or the pattern of repositories, that the input names.
 *
 * @throws TrustError INVALID_GUN, INVALID_PARAMETERS
 */
export function gunIn({ input: { shape } }: Operation, { gun }: Record<string, unknown>): string | undefined {
  return 'gun' in shape && typeof gun === 'string' ? String(z.parse(shape['gun'], gun)) : undefined
}
