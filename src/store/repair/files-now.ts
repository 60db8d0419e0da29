import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from '../../errors.ts'
import { isTable } from '../leveldb/table-list.ts'
import { isLog } from '../leveldb/write-ahead-log.ts'

/**
 * Returns name, size and time of each file of a database, as one text: another text means that somebody has used the
 * database in between, since LevelDB writes files even to open one.
 *
 * @throws the file system's error
 */
export async function filesNow(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => isTable(name) || isLog(name) || isList(name))
  const lines = await Promise.all(
    names.toSorted().map(async (name) => `${name} ${await stateOf(join(directory, name))}`),
  )
  return lines.join('\n')
}

/** True for LevelDB's list of its tables, and for the file that names it. */
export function isList(name: string): boolean {
  return name === 'CURRENT' || name.startsWith('MANIFEST-')
}

async function stateOf(path: string): Promise<string> {
  try {
    const { size, mtimeNs } = await stat(path, { bigint: true })
    return `${size} ${mtimeNs}`
  } catch (error) {
    // Gone since it was listed; or a link that leads nowhere, and still does later.
    if (isMissing(error)) return 'missing'
    throw error
  }
}
