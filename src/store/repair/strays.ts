import { SERVER, type Gun } from '../../tuf/gun.ts'
import type { Books } from '../audit/books.ts'
import { decodeHead } from '../encoding.ts'
import { hexSha256 } from '../journal.ts'
import { parseKey } from '../keyspace.ts'
import type { LostEntries } from './lost-entries.ts'
import type { Survey } from './survey.ts'

/** What becomes of a stray: not taken, taken as one that cannot be had, or taken as it is. */
type Fate = 'left' | 'lost' | { readonly kept: Buffer }

/**
 * What becomes of a record that no entry of the journal names which can be read: it is taken if one that is lost may have
 * named it, and if it is not older than what is known.
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
      // The journal may say that it was removed: it may have been made anew since, but not as what it was before.
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
      // Entries of the journal, and what is first of all, are all taken: this key has changed.
      return 'left'
  }
}
