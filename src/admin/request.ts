import type { z } from 'zod'
import { PARAMETER, takesBody, type Operation } from './operation.ts'

/** Where the admin API begins. */
export const ADMIN_PREFIX = '/api/v1'

/** An operation as an HTTP request. */
export interface AdminRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** What to send to have an operation done: path parameters, then query or JSON body (see `Operation.input`). */
export function requestOf<Schema extends z.ZodObject>(
  operation: Operation<Schema>,
  input: z.input<Schema>,
  dryRun: boolean,
): AdminRequest {
  const { method } = operation
  const { ifMatch, ...rest } = input as Record<string, unknown>
  const path = operation.path.replace(PARAMETER, (_, name: string) => {
    const value = String(rest[name])
    delete rest[name]
    return encodeURIComponent(value)
  })
  const headers: Record<string, string> = {}
  if (typeof ifMatch === 'string') headers['If-Match'] = ifMatch === '*' ? '*' : `"${ifMatch}"`
  const query = new URLSearchParams(dryRun ? { dryRun: 'true' } : {})
  if (!takesBody(operation)) {
    for (const [name, value] of Object.entries(rest)) {
      for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (each !== undefined) query.append(name, typeof each === 'string' ? each : JSON.stringify(each))
      }
    }
    return { method, url: url(path, query), headers, body: undefined }
  }
  const body = JSON.stringify(rest)
  headers['Content-Type'] = 'application/json'
  headers['Content-Length'] = String(Buffer.byteLength(body))
  return { method, url: url(path, query), headers, body }
}

function url(path: string, query: URLSearchParams): string {
  return `${ADMIN_PREFIX}${path}${query.size > 0 ? `?${query.toString()}` : ''}`
}
