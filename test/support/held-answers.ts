import assert from 'node:assert/strict'
import type { Operation } from '../../src/admin/operation.ts'
import { OPERATIONS } from '../../src/admin/operations.ts'
import { TrustError } from '../../src/errors.ts'

/*
 * Where this is loaded, every operation fails whose answer is not what its schema says: in servers of this process, and in
 * what tests do without a server.
 */
for (const operation of OPERATIONS) {
  const run = operation.run.bind(operation)
  const held: Operation['run'] = (...asked) =>
    run(...asked).then((output) => {
      mustFit(operation, JSON.parse(JSON.stringify(output)))
      return output
    })
  Object.assign(operation, { run: held })
}

/**
 * An answer has what its schema says, and no member more.
 *
 * @param answer as it was read from JSON
 * @throws TrustError CORRUPT, which a server answers with all that it says
 */
export function mustFit({ name, answer: schema }: Pick<Operation, 'name' | 'answer'>, answer: unknown): void {
  try {
    assert.deepEqual(answer, schema().parse(answer))
  } catch (cause) {
    throw new TrustError('CORRUPT', `the answer of ${name} is not what its schema says: ${String(cause)}`, { cause })
  }
}
