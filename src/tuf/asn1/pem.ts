import { ownBytes } from '../../memory/own-bytes.ts'

/** One block of a PEM text. */
interface PemBlock {
  readonly label: string
  readonly bytes: Buffer
}

/** Blocks in one text; a root key is one certificate with a few intermediates. */
export const PEM_MAX_BLOCKS = 16
/** Base64 characters on a line, as Go writes and OpenSSL reads them. */
const COLUMNS = 64

const BEGIN = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n/y
/** Of a length that four divides. Groups of four would say it all, but of a few million RegExp's stack overflows. */
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const LINE_END = /\r?\n|$/y

/**
 * Decode a PEM text that holds nothing but blocks, one after the other, without headers. Go's decoder also skips other
 * text; keys in metadata never have any, since clients write certificates anew (wire spec §6.2 step 5).
 *
 * @returns undefined for anything else, for no block, and for more than PEM_MAX_BLOCKS. Linear in the length.
 */
export function decodePem(bytes: Uint8Array): PemBlock[] | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const blocks: PemBlock[] = []
  let at = 0
  do {
    const begin = match(BEGIN, text, at)
    const label = begin?.[1]
    if (begin === null || label === undefined || blocks.length === PEM_MAX_BLOCKS) return undefined
    const start = at + begin[0].length
    const endLine = `\n-----END ${label}-----`
    const end = text.indexOf(endLine, start)
    const body = end < 0 ? '' : text.slice(start, end).replace(/[ \t\r\n]/g, '')
    const lineEnd = match(LINE_END, text, end + endLine.length)
    if (body.length % 4 !== 0 || !BASE64.test(body) || lineEnd === null) return undefined
    blocks.push({ label, bytes: ownBytes(Buffer.from(body, 'base64')) })
    at = end + endLine.length + lineEnd[0].length
  } while (at < text.length)
  return blocks
}

function match(sticky: RegExp, text: string, at: number): RegExpExecArray | null {
  sticky.lastIndex = at
  return sticky.exec(text)
}

/** Write blocks as Go does: lines of 64 columns, LF, a line end after the last block too. */
export function encodePem(blocks: readonly PemBlock[]): Buffer {
  const texts = blocks.map(({ label, bytes }) => {
    const base64 = bytes.toString('base64')
    let text = `-----BEGIN ${label}-----\n`
    for (let at = 0; at < base64.length; at += COLUMNS) text += `${base64.slice(at, at + COLUMNS)}\n`
    return `${text}-----END ${label}-----\n`
  })
  return Buffer.from(texts.join(''), 'latin1')
}
