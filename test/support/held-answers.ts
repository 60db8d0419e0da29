import assert from 'node:assert/strict'
import type { Operation } from '../../src/admin/operation.ts'
import { OPERATIONS } from '../../src/admin/operations.ts'
import { TrustError } from '../../src/errors.ts'

/*
 * Once loaded, makes every operation fail whose answer does not fit its schema: in servers of this process, and in tests
 * without a server.
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
 * Throws unless an answer has exactly the members of its schema.
 *
 * @param answer as parsed from JSON
 * @throws TrustError CORRUPT, whose whole message a server sends
 */
export function mustFit({ name, answer: schema }: Pick<Operation, 'name' | 'answer'>, answer: unknown): void {
  try {
    assert.deepEqual(answer, schema().parse(answer))
  } catch (cause) {
    throw new TrustError('CORRUPT', `the answer of ${name} is not what its schema says: ${String(cause)}`, { cause })
  }
}
