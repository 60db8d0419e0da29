import { keepConstant } from './kept/keep-answer.ts'
import { METRICS_TYPE } from './overview.ts'
import type { Context, Wiring } from './state.ts'

/** GET /v2/, which clients request first; returns exactly `{}` (wire spec §3). */
export function getPing(wiring: Wiring): (ctx: Context) => void {
  return (ctx) => {
    answerEmpty(ctx)
    keepConstant(wiring, ctx)
  }
}

/** GET /_notary_server/health and /healthz/ready: `{}`, or 503 with the reason for each failed check, by name. */
export function getReadiness({ overview }: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const unready = await overview.unready()
    ctx.status = Object.keys(unready).length === 0 ? 200 : 503
    ctx.type = 'application/json; charset=utf-8'
    ctx.body = JSON.stringify(unready)
  }
}

/** GET /healthz/live: succeeds as long as the process responds. */
export function getLiveness(): (ctx: Context) => void {
  return answerEmpty
}

function answerEmpty(ctx: Context): void {
  ctx.status = 200
  ctx.type = 'application/json'
  ctx.body = '{}'
}

/** GET /metrics, in Prometheus' text format. */
export function getMetrics({ overview }: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    ctx.status = 200
    ctx.set('Content-Type', METRICS_TYPE)
    ctx.body = await overview.metrics()
  }
}
