import { notFoundBody } from './errors.ts'
import type { Context } from './state.ts'

/** What a path that is no route gets, or matches a route's pattern and names nothing: 404 without detail (wire spec §3). */
export function notRouted(ctx: Context): void {
  ctx.status = 404
  ctx.type = 'application/json; charset=utf-8'
  ctx.body = notFoundBody()
}
