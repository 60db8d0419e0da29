import { randomBytes } from 'node:crypto'
import { exchange, type Answer, type Endpoint } from './exchange.ts'

/** One part of an upload: its role and its bytes. */
export interface Part {
  readonly role: string
  readonly bytes: Uint8Array
}

/** Encodes an upload as Go clients do (wire spec §5.1). */
export function multipartForm(parts: readonly Part[]): { contentType: string; body: Buffer } {
  const boundary = randomBytes(30).toString('hex')
  const chunks = parts.flatMap(({ role, bytes }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="${role}"\r\n`,
    'Content-Type: application/octet-stream\r\n\r\n',
    bytes,
    '\r\n',
  ])
  const body = Buffer.concat([...chunks, `--${boundary}--\r\n`].map((chunk) => Buffer.from(chunk as string)))
  return { contentType: `multipart/form-data; boundary=${boundary}`, body }
}

/** Returns the path of a repository's metadata, each segment of the GUN percent-encoded. */
export function tufPath(gun: string, file = ''): string {
  return `/v2/${gun.split('/').map(encodeURIComponent).join('/')}/_trust/tuf/${file}`
}

/** Posts an upload, and returns whatever the response is. */
export async function upload(endpoint: Endpoint, gun: string, parts: readonly Part[]): Promise<Answer> {
  const { contentType, body } = multipartForm(parts)
  return exchange(endpoint, { method: 'POST', path: tufPath(gun), headers: { 'content-type': contentType }, body })
}
