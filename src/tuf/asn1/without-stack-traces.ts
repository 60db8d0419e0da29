/**
 * Calls a frequently used function of `node:crypto` with stack traces off. To find out what a key is, Node 24 throws and
 * catches four errors itself; collecting their stack traces, which nobody sees, takes longer than reading the key.
 *
 * @param call synchronous
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
