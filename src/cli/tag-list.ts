import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileError, TrustError } from '../errors.ts'

/** One line: a tag and the manifest that it is to name. */
interface ListedTag {
  readonly tag: string
  readonly digest: string
  readonly size: number
}

/**
 * Lines `TAG DIGEST SIZE`; empty ones and those that begin with `#` do not count.
 *
 * @param file `-` is standard input
 * @throws TrustError BAD_SETTINGS, INVALID_PARAMETERS with the number of the line
 */
export async function readTagList(file: string): Promise<ListedTag[]> {
  const content = await text(file === '-' ? process.stdin : createReadStream(file)).catch((cause: unknown) => {
    throw fileError('BAD_SETTINGS', `cannot read ${file}`, cause, 'check --from')
  })
  return content.split(/\r?\n/).flatMap((line, index) => {
    const words = line.trim().split(/\s+/)
    if (line.trim() === '' || line.startsWith('#')) return []
    const [tag = '', digest = '', size = ''] = words
    if (words.length === 3 && /^\d+$/.test(size)) return [{ tag, digest, size: Number(size) }]
    throw new TrustError('INVALID_PARAMETERS', `line ${index + 1} of ${file} is not "TAG DIGEST SIZE"`)
  })
}
