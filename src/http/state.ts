import type { ParameterizedContext } from 'koa'
import type { Access } from '../access/access.ts'
import { nameOf, type Identity } from '../access/permission.ts'
import type { Trust } from '../repository/trust.ts'
import type { HttpSettings } from '../settings/schema.ts'
import type { Actor } from '../store/store.ts'
import type { Bodies } from './body.ts'
import type { Realm } from './challenge.ts'
import type { ClientAddresses } from './client-address.ts'
import type { Count } from './count.ts'
import type { InFlight } from './in-flight.ts'
import type { KeptAnswers } from './kept/kept-answers.ts'
import type { RequestMetrics } from './metrics/requests.ts'
import type { Overview } from './overview.ts'

/** The state that middleware passes along with a request; all of it goes into the request's log line. */
export interface State {
  requestId: string
  /** Address that the request came from. */
  address?: string | undefined
  /** Operation of the route, by Notary's name, for metrics. */
  operation?: string
  gun?: string
  role?: string
  /** Who makes the request; undefined: an anonymous client. */
  identity?: Identity | undefined
  /** Thrown while answering, for the log. */
  error?: unknown
}

export type Context = ParameterizedContext<State, object> & {
  /** Parameters in a route's path: `gun`, `file`. */
  readonly params?: Readonly<Record<string, string | undefined>>
}

/** How to authorize requests; undefined in `Wiring`: not at all. */
export interface Gate {
  readonly access: Access
  readonly publicReads: boolean
  /** Called at each refusal: the port may be known only after listening. */
  readonly realm: () => Realm
}

/** What handlers work with. */
export interface Wiring {
  readonly trust: Trust
  readonly settings: HttpSettings
  readonly metrics: RequestMetrics
  readonly overview: Overview
  readonly bodies: Bodies
  /** Uploads in progress, in all threads. */
  readonly publishing: Count
  /** Limits the large ones among them, in this thread. */
  readonly inFlight: InFlight
  readonly clients: ClientAddresses
  /** Responses to GETs that can be sent again. */
  readonly kept: KeptAnswers
  /** Authorizes requests; undefined: everybody may do everything. */
  readonly gate?: Gate | undefined
  /** False from SIGTERM on. */
  readonly accepting: () => boolean
}

/** Returns who makes the request, for the journal. */
export function actorOf(ctx: Context): Actor {
  return {
    name: nameOf(ctx.state.identity),
    address: ctx.state.address ?? '',
    requestId: ctx.state.requestId,
  }
}
