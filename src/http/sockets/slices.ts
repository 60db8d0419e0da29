import type { ServerResponse } from 'node:http'

/** A body of more bytes leaves in slices… */
export const AT_ONCE_MAX_BYTES = 256 * 1024
/** …of so many. Larger ones are slower: memory for their copies comes from the system each time. */
const SLICE_BYTES = 64 * 1024

/**
 * Send a body whose length stands in the head; of a large one each slice when the one before was taken. TLS makes a copy
 * of all that is written, and keeps it until then: of a document of 7 MB one for each client that reads nothing of it.
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
      // Whoever waits for the end of the response hears of a client that has gone away.
      if (error == null) writeFrom(end, body, response)
    })
}
