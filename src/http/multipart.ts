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
 * Read a multipart body (wire spec §5.1). Our own reader, since the ones at hand cut a file name to its last segment,
 * which breaks every delegation, or drop parts without a name, which must be an error.
 *
 * Any multipart subtype; the field name is ignored; the file name is handed on as it is, undefined where a part has
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
    // The CRLF before a boundary belongs to it; that of an empty part is the one that ends its header lines.
    const end = body.indexOf(Buffer.concat([CRLF, delimiter]), start - CRLF.length)
    if (end === -1) malformed('it ends inside a part')
    if (end - start > limits.partBytes) malformed(`a part is longer than ${limits.partBytes} bytes`)
    const headers = body.toString('utf8', headersStart, Math.max(headersStart, headersEnd))
    parts.push({ filename: filenameOf(headers), bytes: body.subarray(start, Math.max(start, end)) })
    at = end + CRLF.length
  }
}

/** Only one way to read each character: what does not fit is refused in a time that grows with its length, no faster. */
const MULTIPART = /^multipart\/[^\s;]+(?:[\s;].*?)??;\s*boundary=(?:"([^"]+)"|([^\s";,]+))/i

/** The boundary of `multipart/…; boundary=…`, quoted or not. */
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
  // Behind a bare line feed it would be passed over, and what stands behind it with it: a part that nobody misses.
  if (at > 0 && !startsWith(body, CRLF, Math.max(0, at - CRLF.length))) malformed('its first boundary begins no line')
  return at
}

/** The file name of Content-Disposition; undefined if there is none, or it cannot be read for certain. */
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

/** `UTF-8''root` (RFC 5987). */
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
