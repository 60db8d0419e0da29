import type { z } from 'zod'
import type { Action, Identity } from '../access/permission.ts'
import { TrustError } from '../errors.ts'
import { plainIssue } from '../plain-issues.ts'
import type { CheckReport } from '../repository/check.ts'
import type { Ending } from '../repository/expiry.ts'
import type { Trust } from '../repository/trust.ts'
import type { KeyFault, Signer } from '../signing/signer.ts'
import type { Copied } from '../store/level-store.ts'
import type { Actor } from '../store/store.ts'

/** The state that operations work on. */
export interface World {
  readonly trust: Trust
  /** Returns who makes the request, and what they may do now. @throws TrustError UNAUTHENTICATED if their access was revoked */
  readonly asker: () => Identity
  readonly keyFault: KeyFault
  /** Verifies the whole store. @throws TrustError BUSY, SIGNER_UNAVAILABLE, STORE_UNAVAILABLE, or the reason of `gone` */
  readonly check: (gone?: () => AbortSignal) => Promise<CheckReport>
  /** Returns what is wrong with the keys directory for the next start; undefined: nothing. */
  readonly keysFault: () => Promise<string | undefined>
  /** Returns the server's own certificates and when they end. */
  readonly certificates: () => Promise<readonly Ending[]>
  /** Age at which a key of the server should be rotated, milliseconds; undefined: never. */
  readonly keyAge?: number | undefined
  /** Copies everything that a server needs into a directory. @throws TrustError BUSY during another backup, and others */
  readonly backUp: (directory: string, gone?: AbortSignal) => Promise<Copied>
  /**
   * Aborted, with a TrustError, when nobody waits for the response any more; undefined: never. Only operations that
   * give up then may call it: in a command's own process, Ctrl-C does nothing else from then on.
   */
  readonly gone?: () => AbortSignal
  /** True: writes nothing (`--dry-run`). */
  readonly rehearsal?: true
  /** The trust's signer, except that the keys it makes leave no trace: for `--dry-run`. */
  readonly rehearsalSigner: Signer
}

/**
 * One thing that an admin can ask for. HTTP routes, permissions, the OpenAPI document, and the command line's calls (to
 * a running server, or in its own process if the server is stopped) all derive from these.
 */
export interface Operation<Schema extends z.ZodObject = z.ZodObject, Output = unknown> {
  /** `tag.sign`: noun and verb. */
  readonly name: string
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /**
   * Path below /api/v1. Its parameters, such as `:gun`, are members of the input; a GUN is one segment, percent-encoded.
   */
  readonly path: string
  /** One sentence. */
  readonly summary: string
  /**
   * The permission needed on the input's `gun`, or on the server itself if there is none. `own`: none; the operation
   * itself checks whose things they are.
   */
  readonly action: Action | 'own'
  /**
   * Path parameters, then the query (GET, DELETE: text, so coerce; a list is repeated parameters) or a JSON body (PUT,
   * POST). `ifMatch` comes as a header.
   */
  readonly input: Schema
  /**
   * What `run` returns, as JSON, for the OpenAPI document. The compiler holds `run` to it, and tests check every
   * response; a server does not. Built on demand, so that commands start without it.
   */
  readonly answer: () => z.ZodType<Output>
  /**
   * Runs the operation. With a world whose store only rehearses (`--dry-run`), changes nothing.
   *
   * @returns JSON; a member `etag` is also sent as a header
   * @throws TrustError NOT_FOUND and others
   */
  run(world: World, input: z.output<Schema>, actor: Actor): Promise<NoInfer<Output>>
}

/** Returns its argument, with the types of input and output inferred. */
export function operation<Schema extends z.ZodObject, Output>(
  definition: Operation<Schema, Output>,
): Operation<Schema, Output> {
  return definition
}

/** Most characters of a list of mistakes: nobody reads more. */
const MISTAKES_MAX = 2_000

/** Validates input for an operation. @throws TrustError INVALID_PARAMETERS that lists all mistakes, if they are few */
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
