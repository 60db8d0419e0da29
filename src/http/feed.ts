import { TrustError } from '../errors.ts'
import { changefeed } from '../repository/changefeed.ts'
import type { Gun } from '../tuf/gun.ts'
import { notRouted } from './errors.ts'
import { gunOf } from './gun.ts'
import type { Context, Wiring } from './state.ts'

const INT32_MAX = 2 ** 31 - 1

/** GET …/_trust/changefeed of one repository (wire spec §10). */
export function getChangefeed(wiring: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const gun = gunOf(ctx, wiring)
    if (gun === undefined) return notRouted(ctx)
    await send(ctx, wiring, gun)
  }
}

/** GET /v2/_trust/changefeed: all repositories. */
export function getGlobalChangefeed(wiring: Wiring): (ctx: Context) => Promise<void> {
  return (ctx) => send(ctx, wiring, undefined)
}

async function send(ctx: Context, { trust }: Wiring, gun: Gun | undefined): Promise<void> {
  const query = new URLSearchParams(ctx.querystring)
  const records = parseInt32(query.get('records') ?? '', 'records')
  // Like Go, take an empty value for none: clients that start from the beginning may send it.
  const changeId = parseInt32(query.get('change_id') || '0', 'change_id')
  const found = await changefeed(trust.store, { gun, records, changeId })
  ctx.status = 200
  ctx.type = 'application/json'
  ctx.body = JSON.stringify({ count: found.length, records: found })
}

/** Parses like Go's strconv.ParseInt, base 10, 32 bits, with its error texts. @throws TrustError INVALID_PARAMETERS */
function parseInt32(text: string, name: string): number {
  const invalid = (reason: string): never => {
    const quoted = JSON.stringify(text.slice(0, 80))
    throw new TrustError(
      'INVALID_PARAMETERS',
      `invalid ${name} parameter: strconv.ParseInt: parsing ${quoted}: ${reason}`,
    )
  }
  if (!/^[+-]?\d+$/.test(text)) return invalid('invalid syntax')
  const value = Number(text)
  return value > INT32_MAX || value < -INT32_MAX - 1 ? invalid('value out of range') : value
}
