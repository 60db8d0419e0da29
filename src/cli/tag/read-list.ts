import { TrustError } from '../../errors.ts'
import { readGivenText } from '../given-file.ts'

/** One line: a tag and the manifest that it should name. */
interface ListedTag {
  readonly tag: string
  readonly digest: string
  readonly size: number
}

/**
 * Reads lines `TAG DIGEST SIZE`, ignoring empty ones and those that begin with `#`.
 *
 * @param file `-` is standard input
 * @throws TrustError BAD_SETTINGS, INVALID_PARAMETERS with the line number
 */
export async function readTagList(file: string): Promise<ListedTag[]> {
  const content = await readGivenText(file, 'check --from')
  return content.split(/\r?\n/).flatMap((untrimmed, index) => {
    // Trims a byte order mark too, which some editors write.
    const line = untrimmed.trim()
    if (line === '' || line.startsWith('#')) return []
    const words = line.split(/\s+/)
    const [tag = '', digest = '', size = ''] = words
    if (words.length === 3 && /^\d+$/.test(size)) return [{ tag, digest, size: Number(size) }]
    throw new TrustError('INVALID_PARAMETERS', `line ${index + 1} of ${file} is not "TAG DIGEST SIZE"`)
  })
}
