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

/** What a request carries from one middleware to the next; all of it ends in the request's log line. */
export interface State {
  requestId: string
  /** From where it came. */
  address?: string | undefined
  /** Name of the route in metrics, as Notary names it. */
  operation?: string
  gun?: string
  role?: string
  /** Who asks; undefined: nobody in particular. */
  identity?: Identity | undefined
  /** Thrown while answering; for the log. */
  error?: unknown
}

export type Context = ParameterizedContext<State, object> & {
  /** What the path of a route names: `gun`, `file`. */
  readonly params?: Readonly<Record<string, string | undefined>>
}

/** How requests are checked; undefined in `Wiring`: they are not. */
export interface Gate {
  readonly access: Access
  readonly publicReads: boolean
  /** Asked at each refusal: the port may be known only after listening. */
  readonly realm: () => Realm
}

/** What the handlers work with. */
export interface Wiring {
  readonly trust: Trust
  readonly settings: HttpSettings
  readonly metrics: RequestMetrics
  readonly overview: Overview
  readonly bodies: Bodies
  /** Uploads that are being worked on, in all threads. */
  readonly publishing: Count
  /** The large ones among them, in this thread. */
  readonly inFlight: InFlight
  readonly clients: ClientAddresses
  /** Answers to GETs, to be sent again. */
  readonly kept: KeptAnswers
  /** Who may do what; undefined: anybody anything. */
  readonly gate?: Gate | undefined
  /** False from the moment of SIGTERM on. */
  readonly accepting: () => boolean
}

/** Who asks, for the journal. */
export function actorOf(ctx: Context): Actor {
  return {
    name: nameOf(ctx.state.identity),
    address: ctx.state.address ?? '',
    requestId: ctx.state.requestId,
  }
}
