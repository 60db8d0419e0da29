import type { ParameterizedContext } from 'koa'
import type { Identity } from '../../access/permission.ts'

/** What a request carries; all of it ends in its log line. */
export interface AdminState {
  requestId: string
  /** Name of the operation. */
  operation?: string
  /** The repository, or the pattern of repositories, that it is about. */
  gun?: string
  /** Who asks, once it is known. */
  identity?: Identity
  /** Where the request came from; a unix socket has no address. */
  address?: string | undefined
}

export type AdminContext = ParameterizedContext<AdminState, object> & {
  /** What the path of an operation names. */
  readonly params?: Readonly<Record<string, string>>
}

/** Who asks. @throws TrustError UNAUTHENTICATED */
export type Authenticate = (ctx: AdminContext) => Promise<Identity>
