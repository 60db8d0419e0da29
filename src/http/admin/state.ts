import type { ParameterizedContext } from 'koa'
import type { Identity } from '../../access/permission.ts'

/** The state of a request; all of it goes into its log line. */
export interface AdminState {
  requestId: string
  /** Name of the operation. */
  operation?: string
  /** The repository, or the pattern of repositories, that it concerns. */
  gun?: string
  /** Who makes the request, once known. */
  identity?: Identity
  /** Where the request came from; a unix socket has no address. */
  address?: string | undefined
}

export type AdminContext = ParameterizedContext<AdminState, object> & {
  /** Parameters in an operation's path. */
  readonly params?: Readonly<Record<string, string>>
}

/** Recognises who makes a request. @throws TrustError UNAUTHENTICATED */
export type Authenticate = (ctx: AdminContext) => Promise<Identity>
