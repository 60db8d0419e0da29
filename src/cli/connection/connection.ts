import type { z } from 'zod'
import type { Operation } from '../../admin/operation.ts'

/** Somewhere to do operations; to be closed after use. */
export interface Connection {
  /**
   * Do an operation, in the running server or here.
   *
   * @param dryRun say what would happen; change nothing
   * @throws TrustError
   */
  call<Schema extends z.ZodObject, Output>(
    operation: Operation<Schema, Output>,
    input: z.input<Schema>,
    dryRun?: boolean,
  ): Promise<Output>
  close(): Promise<void>
}
