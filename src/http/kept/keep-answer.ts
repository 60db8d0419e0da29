import type { ClientRequest, ServerResponse } from 'node:http'
import { ownBytes } from '../../memory/own-bytes.ts'
import { signedHere } from '../../repository/signed-here.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Unauthorized } from '../challenge.ts'
import type { Context, Wiring } from '../state.ts'
import type { KeptAnswer, Source } from './kept-answers.ts'

/** Longest URL to keep, in characters; URLs with a query are not kept either. */
const URL_MAX_LENGTH = 600

/**
 * Keeps the response that a route has just made for a document.
 *
 * @param stamp of the repository, read before anything that the response was made from
 */
export function keepDocument(wiring: Wiring, ctx: Context, gun: Gun, stamp: Uint8Array): void {
  if (ctx.status !== 200) return
  if (!wiring.kept.wants(ctx.originalUrl, (ctx.body as Buffer).length)) return
  const { store } = wiring.trust
  const repository = store.head(gun)
  if (store.stamp(gun)?.equals(stamp) !== true) return
  const before = wiring.kept.answers.get(ctx.originalUrl)
  if (before?.source?.stamp.equals(stamp) === true) {
    // The bytes are the same: share them among clients that do not take them.
    ctx.body = before.body
    return
  }
  const made = repository !== undefined && signedHere(repository) ? ['timestamp', 'snapshot'] : []
  const ends = made.map((role) => repository?.roles[role]?.expires ?? Infinity)
  const source: Source = { gun, stamp: ownBytes(stamp), until: Math.min(...ends) }
  keep(wiring.kept.answers, ctx, { source })
}

/** Keeps a response that stays the same as long as the server runs. */
export function keepConstant(wiring: Wiring, ctx: Context): void {
  keep(wiring.kept.answers, ctx, {})
}

/** Keeps a refusal for clients without credentials: docker starts with it, and learns where to get tokens. */
export function keepRefusal(wiring: Wiring, ctx: Context, refusal: Unauthorized): void {
  if (refusal.ofNobody) keep(wiring.kept.refusals, ctx, { refusal })
}

function keep(
  kept: { set(url: string, answer: KeptAnswer): void },
  ctx: Context,
  parts: Pick<KeptAnswer, 'source' | 'refusal'>,
): void {
  const { originalUrl: url, status } = ctx
  if (ctx.method !== 'GET' || url.length > URL_MAX_LENGTH || url.includes('?')) return
  const { body: given } = ctx as { body: Buffer | string }
  const body = ownBytes(typeof given === 'string' ? Buffer.from(given) : given)
  const { operation = 'unknown', gun, role } = ctx.state
  // Names in their original case. Responses have this method too, though their types do not say so.
  const names = (ctx.res as ServerResponse & Pick<ClientRequest, 'getRawHeaderNames'>)
    .getRawHeaderNames()
    .filter((name) => name !== 'X-Request-Id')
  const lines = names.map((name) => `${name}: ${String(ctx.res.getHeader(name))}\r\n`)
  const head = `HTTP/1.1 ${status} ${ctx.message}\r\n${lines.join('')}`
  kept.set(url, { status, ...parts, about: { operation, gun, role }, head, body })
}
