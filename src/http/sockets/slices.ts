import type { ServerResponse } from 'node:http'

/** Largest body, in bytes, that is sent at once; larger ones leave in slices… */
export const AT_ONCE_MAX_BYTES = 256 * 1024
/** …of this size. Larger slices are slower: the system allocates memory for their copies each time. */
const SLICE_BYTES = 64 * 1024

/**
 * Sends a body whose length is in the head; each slice of a large one after the client took the one before. TLS copies
 * all that is written and keeps the copy until then: of a 7 MB document, one for each client that reads nothing.
 */
export function endWith(response: ServerResponse, body: Buffer | string): void {
  if (body.length <= AT_ONCE_MAX_BYTES) {
    response.end(body)
    return
  }
  writeFrom(0, typeof body === 'string' ? Buffer.from(body) : body, response)
}

function writeFrom(start: number, body: Buffer, response: ServerResponse): void {
  const end = start + SLICE_BYTES
  if (end >= body.length) response.end(body.subarray(start))
  else
    response.write(body.subarray(start, end), (error) => {
      // Whoever waits for the end of the response learns of a client that went away.
      if (error == null) writeFrom(end, body, response)
    })
}
