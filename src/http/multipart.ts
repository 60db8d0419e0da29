import { TrustError } from '../errors.ts'
import type { UploadPart } from '../repository/publish.ts'

interface MultipartLimits {
  /** Bytes of one part's content. */
  readonly partBytes: number
  readonly parts: number
  /** Bytes of one part's header lines. */
  readonly partHeaderBytes: number
}

const CRLF = Buffer.from('\r\n')
const HEADERS_END = Buffer.from('\r\n\r\n')

/**
 * Parses a multipart body (wire spec §5.1). Existing parsers cut a file name to its last segment, which breaks every
 * delegation, or drop parts without a name, which must be an error.
 *
 * Accepts any multipart subtype and ignores the field name. Returns the file name unchanged, undefined if a part has
 * none. Content is a view of the body, not a copy.
 *
 * @throws TrustError MALFORMED_UPLOAD
 */
export function parseMultipart(contentType: string, body: Buffer, limits: MultipartLimits): UploadPart[] {
  const delimiter = Buffer.from(`--${boundaryOf(contentType)}`)
  const parts: UploadPart[] = []
  let at = firstDelimiter(body, delimiter)
  for (;;) {
    at += delimiter.length
    if (body.toString('latin1', at, at + 2) === '--') return parts
    while (body[at] === 0x20 || body[at] === 0x09) at += 1
    if (!startsWith(body, CRLF, at)) malformed('a boundary is followed by neither a part nor the end')
    if (parts.length === limits.parts) malformed(`more than ${limits.parts} parts`)
    const headersStart = at + CRLF.length
    // A part may have no header lines at all.
    const headersEnd = startsWith(body, CRLF, headersStart) ? headersStart - 2 : body.indexOf(HEADERS_END, headersStart)
    if (headersEnd === -1) malformed('it ends inside the header lines of a part')
    if (headersEnd - headersStart > limits.partHeaderBytes) {
      malformed(`the header lines of a part are longer than ${limits.partHeaderBytes} bytes`)
    }
    const start = headersEnd + HEADERS_END.length
    // The CRLF before a boundary belongs to the boundary; in an empty part, it is the one that ends the header lines.
    const end = body.indexOf(Buffer.concat([CRLF, delimiter]), start - CRLF.length)
    if (end === -1) malformed('it ends inside a part')
    if (end - start > limits.partBytes) malformed(`a part is longer than ${limits.partBytes} bytes`)
    // Both are empty if they would end before they begin.
    const headers = body.toString('utf8', headersStart, headersEnd)
    parts.push({ filename: filenameOf(headers), bytes: body.subarray(start, end) })
    at = end + CRLF.length
  }
}

/** Unambiguous, so that a mismatch takes time linear in the header's length. */
const MULTIPART = /^multipart\/[^\s;]+(?:[\s;].*?)??;\s*boundary=(?:"([^"]+)"|([^\s";,]+))/i

/** Returns the boundary of `multipart/…; boundary=…`, quoted or not. */
function boundaryOf(contentType: string): string {
  const [, quoted, plain] = MULTIPART.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) return malformed('it is not multipart, or names no boundary')
  if (boundary.length > 70) return malformed('its boundary is longer than 70 characters')
  return boundary
}

function firstDelimiter(body: Buffer, delimiter: Buffer): number {
  const at = body.indexOf(delimiter)
  if (at === -1) malformed('its boundary does not occur in it')
  // Parsers would skip a boundary after a bare line feed, and the part behind it with it, unnoticed.
  if (at > 0 && !startsWith(body, CRLF, Math.max(0, at - CRLF.length)))
    malformed('its first boundary is not at the beginning of a line')
  return at
}

/** Returns the file name of Content-Disposition; undefined if it is missing or ambiguous. */
function filenameOf(headers: string): string | undefined {
  let disposition: string | undefined
  for (const line of headers.split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'content-disposition') {
      if (disposition !== undefined) return undefined
      disposition = value
    }
    if (name === 'content-transfer-encoding' && !/^(binary|7bit|8bit)$/i.test(value)) {
      malformed('a part has a Content-Transfer-Encoding')
    }
  }
  return disposition === undefined ? undefined : parameterOf(disposition)
}

const PARAMETER = /;\s*([^\s=;"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/gy

function parameterOf(disposition: string): string | undefined {
  const end = disposition.indexOf(';')
  if (end === -1) return undefined
  const found = new Map<string, string>()
  PARAMETER.lastIndex = end
  while (PARAMETER.lastIndex < disposition.length) {
    const match = PARAMETER.exec(disposition)
    if (match === null) return undefined
    const name = (match[1] ?? '').toLowerCase()
    if (found.has(name)) return undefined
    found.set(name, match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '')
  }
  const extended = found.get('filename*')
  return extended === undefined ? found.get('filename') : extendedValue(extended)
}

/** Decodes `UTF-8''root` (RFC 5987). */
function extendedValue(value: string): string | undefined {
  const [, encoded] = /^utf-8'[^']*'(.*)$/i.exec(value) ?? []
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

function startsWith(body: Buffer, text: Buffer, at: number): boolean {
  return body.subarray(at, at + text.length).equals(text)
}

function malformed(reason: string): never {
  throw new TrustError('MALFORMED_UPLOAD', `the body of the request is malformed: ${reason}`)
}
