import type { Context, Wiring } from './state.ts'

/** GET /v2/: clients ask it first; exactly `{}` (wire spec §3). */
export function getPing(): (ctx: Context) => void {
  return (ctx) => {
    ctx.status = 200
    ctx.type = 'application/json'
    ctx.body = '{}'
  }
}

/** GET /_notary_server/health and /healthz/ready: `{}`, or 503 with the reason by the name of the check. */
export function getReadiness({ trust, accepting }: Wiring): (ctx: Context) => void {
  return (ctx) => {
    const { writable, reason } = trust.store.readiness()
    const signer = trust.signer.readiness()
    const failed = {
      ...(writable ? {} : { store: reason ?? 'not writable' }),
      ...(signer.usable ? {} : { signer: signer.reason ?? 'not usable' }),
      ...(accepting() ? {} : { server: 'shutting down' }),
    }
    ctx.status = Object.keys(failed).length === 0 ? 200 : 503
    ctx.type = 'application/json; charset=utf-8'
    ctx.body = JSON.stringify(failed)
  }
}

/** GET /healthz/live: the process answers. */
export function getLiveness(): (ctx: Context) => void {
  return getPing()
}

/** GET /metrics, in Prometheus' text form. */
export function getMetrics({ metrics }: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    ctx.status = 200
    ctx.set('Content-Type', metrics.registry.contentType)
    ctx.body = await metrics.registry.metrics()
  }
}
