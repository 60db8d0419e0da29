import type * as KoaRouter from '@koa/router'
import { createRequire } from 'node:module'

/**
 * The router of Koa, by `require`: its ES module imports all of node:http, and with it undici, which adds 25 ms to a
 * start (see `node-http.ts`).
 */
export const { Router } = createRequire(import.meta.url)('@koa/router') as typeof KoaRouter
export type Router<State, Context> = KoaRouter.Router<State, Context>
