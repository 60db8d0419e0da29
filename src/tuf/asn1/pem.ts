import { ownBytes } from '../../memory/own-bytes.ts'

/** One block of a PEM text. */
interface PemBlock {
  readonly label: string
  readonly bytes: Buffer
}

/** The most blocks in one text; a root key is one certificate with a few intermediates. */
export const PEM_MAX_BLOCKS = 16
/** Base64 characters per line, as Go writes and OpenSSL reads them. */
const COLUMNS = 64

const BEGIN = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n/y
/** Used with a check that the length is a multiple of 4: matching groups of 4 overflows RegExp's stack at a few million. */
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const LINE_END = /\r?\n|$/y

/**
 * Decodes a PEM text that consists only of blocks without headers, in linear time. Go's decoder also skips other text;
 * keys in metadata never contain any, since clients rewrite certificates (wire spec §6.2 step 5).
 *
 * @returns undefined for any other text, for one without blocks, and for more than PEM_MAX_BLOCKS
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

/** Writes blocks as Go does: lines of 64 columns, LF, also after the last block. */
export function encodePem(blocks: readonly PemBlock[]): Buffer {
  const texts = blocks.map(({ label, bytes }) => {
    const base64 = bytes.toString('base64')
    let text = `-----BEGIN ${label}-----\n`
    for (let at = 0; at < base64.length; at += COLUMNS) text += `${base64.slice(at, at + COLUMNS)}\n`
    return `${text}-----END ${label}-----\n`
  })
  return Buffer.from(texts.join(''), 'latin1')
}
