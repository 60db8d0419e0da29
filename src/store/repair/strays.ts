import { SERVER, type Gun } from '../../tuf/gun.ts'
import type { Books } from '../audit/books.ts'
import { decodeHead } from '../encoding.ts'
import { hexSha256 } from '../journal.ts'
import { parseKey } from '../keyspace.ts'
import type { LostEntries } from './lost-entries.ts'
import type { Survey } from './survey.ts'

/** What happens to a stray: it is left out, kept as a record that cannot be recovered, or kept as it is. */
type Fate = 'left' | 'lost' | { readonly kept: Buffer }

/**
 * Decides about a record that no readable journal entry names: keeps it if a lost entry may have named it, and if it is
 * not older than what is known.
 */
export function fateOfStray(
  key: Buffer,
  { sources, revisions }: Pick<Survey, 'sources' | 'revisions'>,
  books: Books,
  lost: LostEntries,
): Fate {
  const keptIf = (mayBeNamed: boolean): Fate => {
    if (!mayBeNamed) return 'left'
    const found = sources.find(key, undefined)
    return found === undefined ? 'lost' : { kept: found.payload }
  }
  const { kind, parts = [] } = parseKey(key) ?? {}
  const [first = '', second = ''] = parts.map(String)
  switch (kind) {
    case 'record': {
      // If the journal says that it was removed, a lost entry may have made it again, but not with an earlier value.
      const removed = books.value(first, second)
      const gun = removed?.gun ?? (first === 'staged-root' ? (second as Gun) : SERVER)
      const fate = keptIf(lost.mayBeOf(gun, removed?.number))
      const isOld = typeof fate === 'object' && removed?.earlier.has(hexSha256(fate.kept)) === true
      return isOld ? 'left' : fate
    }
    case 'head': {
      const fate = keptIf(lost.mayBeOf(first as Gun))
      const newest = revisions.get(first as Gun) ?? 0
      return typeof fate === 'object' && decodeHead(fate.kept).revision < newest ? 'lost' : fate
    }
    case 'due':
      return keptIf(lost.mayBeOf(second as Gun))
    case 'document':
    case 'version':
    case 'keys':
    case 'history':
      return keptIf(lost.mayBeOf(first as Gun))
    case 'owner':
      return keptIf(lost.any)
    default:
      // Journal entries and the first record have all been taken, so this key must have changed.
      return 'left'
  }
}
