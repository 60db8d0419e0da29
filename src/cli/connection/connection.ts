import type { z } from 'zod'
import type { Operation } from '../../admin/operation.ts'

/** A place to run operations; close it after use. */
export interface Connection {
  /**
   * Runs an operation, in the server or here.
   *
   * @param dryRun says what would happen, and changes nothing
   * @throws TrustError
   */
  call<Schema extends z.ZodObject, Output>(
    operation: Operation<Schema, Output>,
    input: z.input<Schema>,
    dryRun?: boolean,
  ): Promise<Output>
  close(): Promise<void>
}
