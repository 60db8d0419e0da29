import type { z } from 'zod'
import { parsed } from '../../admin/operation.ts'
import { tagToSet } from '../../admin/tags.ts'
import { messageOf, TrustError } from '../../errors.ts'
import { readGivenText } from '../given-file.ts'

/**
 * Reads lines `TAG DIGEST SIZE`, ignoring empty ones and those that begin with `#`.
 *
 * @param file `-` is standard input
 * @throws TrustError BAD_SETTINGS, INVALID_PARAMETERS with the line number
 */
export async function readTagList(file: string): Promise<z.infer<typeof tagToSet>[]> {
  const content = await readGivenText(file, 'check --from')
  return content.split(/\r?\n/).flatMap((untrimmed, index) => {
    // Trims a byte order mark too, which some editors write.
    const line = untrimmed.trim()
    if (line === '' || line.startsWith('#')) return []
    const place = `line ${index + 1} of ${file}`
    const words = line.split(/\s+/)
    const [tag = '', digest = '', size = ''] = words
    if (words.length !== 3 || !/^\d+$/.test(size))
      throw new TrustError('INVALID_PARAMETERS', `${place} is not "TAG DIGEST SIZE"`)
    try {
      return [parsed({ input: tagToSet }, { tag, digest, size: Number(size) })]
    } catch (error) {
      throw new TrustError('INVALID_PARAMETERS', `${place}: ${messageOf(error)}`)
    }
  })
}
