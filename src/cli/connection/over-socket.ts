import { text } from 'node:stream/consumers'
import type { z } from 'zod'
import { parsed, type Operation } from '../../admin/operation.ts'
import { requestOf, type AdminRequest } from '../../admin/request.ts'
import { TrustError } from '../../errors.ts'
import { request } from '../../node-http.ts'
import type { Connection } from './connection.ts'

/** Returns a connection to the server that listens at this socket. */
export function overSocket(socketPath: string): Connection {
  return {
    async call<Schema extends z.ZodObject, Output>(
      operation: Operation<Schema, Output>,
      input: z.input<Schema>,
      dryRun = false,
    ): Promise<Output> {
      // An empty name would produce the path of another operation, a long one would exceed the limit of a request's head.
      parsed(operation, input)
      return (await send(socketPath, requestOf(operation, input, dryRun))) as Output
    },
    close: async () => {},
  }
}

async function send(socketPath: string, { method, url, headers, body }: AdminRequest): Promise<unknown> {
  const { ok, answer } = await new Promise<{ ok: boolean; answer: string }>((resolve, reject) => {
    // Use a new connection: while a passphrase is tried, the server may close an idle one without notice.
    request({ socketPath, path: url, method, headers, agent: false }, (response) => {
      text(response).then((answer) => resolve({ ok: response.statusCode === 200, answer }), reject)
    })
      .on('error', reject)
      .end(body)
  }).catch((cause: unknown) => {
    throw new TrustError('STORE_UNAVAILABLE', 'the server stopped before it had answered', {
      hint: 'its log says why; "countersign audit" says whether it was done anyway',
      cause,
    })
  })
  const parsedAnswer = JSON.parse(answer) as unknown
  if (ok) return parsedAnswer
  const { code, message, hint } = (parsedAnswer as { error: Pick<TrustError, 'code' | 'message' | 'hint'> }).error
  throw new TrustError(code, message, { hint })
}
