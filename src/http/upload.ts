import { TrustError } from '../errors.ts'
import { publish } from '../repository/publish.ts'
import { remove } from '../repository/remove.ts'
import { trustFor } from './authorize.ts'
import { notRouted } from './errors.ts'
import { gunOf, gunOfUpload } from './gun.ts'
import { parseMultipart } from './multipart.ts'
import { senderOf } from './sender.ts'
import { actorOf, type Context, type Wiring } from './state.ts'

/** POST …/tuf/: publishes all parts or nothing (wire spec §5). Success is 200 with an empty body. */
export function postUpload(wiring: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const { settings, bodies, inFlight, publishing } = wiring
    const gun = gunOfUpload(ctx, wiring)
    const encoding = ctx.get('Content-Encoding')
    if (encoding !== '' && encoding !== 'identity') {
      throw new TrustError('MALFORMED_UPLOAD', 'uploads must not be compressed')
    }
    const work = async (body: Buffer): Promise<void> => {
      const parts = parseMultipart(ctx.get('Content-Type'), body, settings.limits)
      // Count from here on, not while a body arrives: slow clients must not keep quick ones out.
      try {
        const atOnce = publishing.add(1)
        if (atOnce > settings.limits.publishesInFlight) {
          throw new TrustError('BUSY', 'too many updates are being worked on', { hint: 'try again in a moment' })
        }
        await publish(trustFor(ctx, wiring, 'sign'), gun, parts, actorOf(ctx), atOnce)
      } finally {
        publishing.add(-1)
      }
    }
    const sender = senderOf(ctx, wiring)
    await bodies.read(ctx.req, settings.limits.bodyBytes, sender, (body) =>
      inFlight.take(body.length, () => work(body)),
    )
    sendNothing(ctx)
  }
}

/** DELETE …/tuf/: 200 even if there was nothing (wire spec §9). */
export function deleteRepository(wiring: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const gun = gunOf(ctx, wiring)
    if (gun === undefined) return notRouted(ctx)
    await remove(trustFor(ctx, wiring, 'delete'), gun, actorOf(ctx))
    sendNothing(ctx)
  }
}

/** Sends an empty body, not `null`: Koa would turn that into a 204, which clients take for a failure (wire spec §3). */
function sendNothing(ctx: Context): void {
  ctx.status = 200
  ctx.body = ''
  ctx.remove('Content-Type')
}
