import type { z } from 'zod'
import type { Operation } from './operation.ts'

/** Path prefix of the admin API. */
export const ADMIN_PREFIX = '/api/v1'

/** A parameter in an operation's path. */
export const PARAMETER = /:(\w+)/g

/** True if members outside path and headers go into a JSON body; otherwise they go into the query. */
export function takesBody({ method }: Pick<Operation, 'method'>): boolean {
  return method === 'PUT' || method === 'POST'
}

/** Returns where a request carries a member of an operation's input. */
export function placeOf(
  operation: Pick<Operation, 'method' | 'path'>,
  member: string,
): 'path' | 'header' | 'body' | 'query' {
  if (operation.path.split('/').includes(`:${member}`)) return 'path'
  if (member === 'ifMatch') return 'header'
  return takesBody(operation) ? 'body' : 'query'
}

/** An operation as an HTTP request. */
export interface AdminRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Returns the request that runs an operation, with each member of its input in its place. */
export function requestOf<Schema extends z.ZodObject>(
  operation: Operation<Schema>,
  input: z.input<Schema>,
  dryRun: boolean,
): AdminRequest {
  const { method } = operation
  const members = input as Readonly<Record<string, unknown>>
  const path = operation.path.replace(PARAMETER, (_, name: string) => encodeURIComponent(String(members[name])))
  const query = new URLSearchParams(dryRun ? { dryRun: 'true' } : {})
  const headers: Record<string, string> = {}
  const content: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined) continue
    const place = placeOf(operation, name)
    if (place === 'header') headers['If-Match'] = value === '*' ? '*' : `"${value as string}"`
    else if (place === 'body') content[name] = value
    else if (place === 'query') {
      for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
        query.append(name, typeof each === 'string' ? each : JSON.stringify(each))
      }
    }
  }
  const url = `${ADMIN_PREFIX}${path}${query.size > 0 ? `?${query.toString()}` : ''}`
  if (!takesBody(operation)) return { method, url, headers, body: undefined }
  const body = JSON.stringify(content)
  headers['Content-Type'] = 'application/json'
  headers['Content-Length'] = String(Buffer.byteLength(body))
  return { method, url, headers, body }
}
