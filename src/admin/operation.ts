import type { z } from 'zod'
import type { Action } from '../access/permission.ts'
import { TrustError } from '../errors.ts'
import { plainIssue } from '../plain-issues.ts'
import type { CheckReport, OpensKey } from '../repository/check.ts'
import type { Ending } from '../repository/expiry.ts'
import type { Trust } from '../repository/trust.ts'
import type { Signer } from '../signing/signer.ts'
import type { Copied } from '../store/level-store.ts'
import type { Actor } from '../store/store.ts'

/** What operations work on. */
export interface World {
  readonly trust: Trust
  /** Tells whether a sealed key opens. */
  readonly opens: OpensKey
  /** Verifies all that is stored. @throws TrustError BUSY, SIGNER_UNAVAILABLE, STORE_UNAVAILABLE, and why `gone` was aborted */
  readonly check: (gone?: () => AbortSignal) => Promise<CheckReport>
  /** What is wrong with the keys directory as the next start will find it; undefined: nothing. */
  readonly keysFault: () => Promise<string | undefined>
  /** The server's own certificates and their ends. */
  readonly certificates: () => Promise<readonly Ending[]>
  /** Age at which a key of the server is to be rotated, milliseconds; undefined: at none. */
  readonly keyAge?: number | undefined
  /** Copies all that a server needs into a directory. @throws TrustError BUSY while it does so already, and others */
  readonly backUp: (directory: string, gone?: AbortSignal) => Promise<Copied>
  /**
   * Aborted, with a TrustError, when nobody waits for the answer any more. Undefined: somebody does. Only what gives up then
   * may ask for it: in a command's own process Ctrl-C does nothing else from then on.
   */
  readonly gone?: () => AbortSignal
  /** True: nothing is written (`--dry-run`). */
  readonly rehearsal?: true
  /** The trust's signer, but the keys that it makes leave no trace: for `--dry-run`. */
  readonly rehearsalSigner: Signer
}

/**
 * One thing that an admin can ask for. The HTTP routes, the command line's calls (of a running server, or in its own
 * process when the server is stopped), permissions, and the OpenAPI document all come from these.
 */
export interface Operation<Schema extends z.ZodObject = z.ZodObject, Output = unknown> {
  /** `tag.sign`: noun and verb. */
  readonly name: string
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Below /api/v1. Parameters, `:gun` say, are members of the input; a GUN is one segment, percent-encoded. */
  readonly path: string
  /** One sentence. */
  readonly summary: string
  /**
   * What one must be allowed on the input's `gun`; on the server itself when there is none. `own`: nothing, the operation
   * itself looks at whose things they are.
   */
  readonly action: Action | 'own'
  /**
   * Path parameters, then query (GET, DELETE: text, so coerce; of a list each as a parameter of its own) or JSON body
   * (PUT, POST). `ifMatch` comes as a header.
   */
  readonly input: Schema
  /**
   * What `run` returns, as JSON: for the OpenAPI document. The compiler holds `run` to it, and tests every answer; a server
   * does not. Made when it is asked for: a command's start does not wait for it.
   */
  readonly answer: () => z.ZodType<Output>
  /**
   * Do it. With a world whose store only rehearses (`--dry-run`) nothing is changed.
   *
   * @returns JSON; a member `etag` is sent as a header too
   * @throws TrustError NOT_FOUND and others
   */
  run(world: World, input: z.output<Schema>, actor: Actor): Promise<NoInfer<Output>>
}

/** Keeps the types of input and output. */
export function operation<Schema extends z.ZodObject, Output>(
  definition: Operation<Schema, Output>,
): Operation<Schema, Output> {
  return definition
}

/** A parameter in an operation's path. */
export const PARAMETER = /:(\w+)/g

/** True where what is not in the path, nor a header, stands in a JSON body; otherwise it stands in the query. */
export function takesBody({ method }: Pick<Operation, 'method'>): boolean {
  return method === 'PUT' || method === 'POST'
}

/** Where a member of an operation's input stands in a request. */
export function placeOf(
  operation: Pick<Operation, 'method' | 'path'>,
  member: string,
): 'path' | 'header' | 'body' | 'query' {
  if (operation.path.split('/').includes(`:${member}`)) return 'path'
  if (member === 'ifMatch') return 'header'
  return takesBody(operation) ? 'body' : 'query'
}

/** Characters about mistakes: nobody reads more. */
const MISTAKES_MAX = 2_000

/** Input as the operation takes it. @throws TrustError INVALID_PARAMETERS that lists all mistakes, if they are few */
export function parsed<Schema extends z.ZodObject>(
  { input: schema }: Pick<Operation<Schema>, 'input'>,
  input: unknown,
): z.output<Schema> {
  const result = schema.safeParse(input, { error: plainIssue })
  if (result.success) return result.data
  const mistakes = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  const text = mistakes.join('; ')
  throw new TrustError('INVALID_PARAMETERS', text.length <= MISTAKES_MAX ? text : `${text.slice(0, MISTAKES_MAX)}…`)
}
