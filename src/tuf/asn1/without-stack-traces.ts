/**
 * Call something of `node:crypto` that is asked for often. Node 24 finds out what it was given by errors that it throws
 * and catches itself, four for each key that is read from bytes; their stack traces, which nobody sees, take longer than
 * to read the key.
 *
 * @param call does not wait for anything
 * @returns what it returns
 * @throws what it throws, without a stack trace
 */
export function withoutStackTraces<Result>(call: () => Result): Result {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return call()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
