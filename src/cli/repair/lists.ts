import type { Repair } from '../../repair.ts'
import { counted, visible } from '../terminal/print.ts'

/** Lines of each list; more records are counted by repository and kind. */
export const LISTED_MAX = 100
/**
 * Kinds of records that belong to a repository: how many words of their names come before the repository's, and after it.
 */
const AROUND: Readonly<Record<string, readonly [before: number, behind: number]>> = {
  head: [0, 0],
  document: [0, 2],
  version: [0, 2],
  keys: [0, 1],
  history: [0, 1],
  due: [1, 0],
}

/** Where repaired records came from. */
const FROM: Readonly<Record<Repair['repaired'][number]['from'], string>> = {
  itself: 'from its own bytes',
  derived: 'from what else is stored',
  backup: 'from the backup',
}

/** Returns the fate of the records, line by line: names each one, unless there are too many. */
export function repairLists({ repaired, lost, left, unnamed }: Repair): string[] {
  const from = Map.groupBy(repaired, (each) => FROM[each.from])
  const namesOf = (records: Repair['repaired']): string[] => records.map(({ record }) => record)
  return [
    ...(repaired.length > LISTED_MAX
      ? [...from].flatMap(([where, records]) => listed('repaired', namesOf(records), `, ${where}`))
      : repaired.map((each) => `repaired: ${visible(each.record)}, ${FROM[each.from]}`)),
    ...listed('still damaged', lost),
    ...listed('left behind', left, ', which no journal entry names'),
    ...listed('kept', unnamed, ', which the damaged journal entry may name'),
  ]
}

/** True if `repairLists` does not name every record. */
export function isCounted({ repaired, lost, left, unnamed }: Repair): boolean {
  return [repaired, lost, left, unnamed].some((list) => list.length > LISTED_MAX)
}

function listed(what: string, records: readonly string[], why = ''): string[] {
  if (records.length <= LISTED_MAX) return records.map((record) => `${what}: ${visible(record)}${why}`)
  const groups = new Map<string, Map<string, number>>()
  for (const record of records) {
    const { of, kind } = placeOf(record)
    const kinds = groups.get(of) ?? new Map<string, number>()
    groups.set(of, kinds.set(kind, (kinds.get(kind) ?? 0) + 1))
  }
  const lines = [...groups].map(([of, kinds]) => {
    const counts = [...kinds].map(([kind, count]) => `${count} × ${kind}`).join(', ')
    return `${what}: ${visible(of === '' ? counts : `${counts} of ${of}`)}${why}`
  })
  if (lines.length <= LISTED_MAX) return lines
  const more = counted(lines.length - LISTED_MAX, 'other repository', 'other repositories')
  return [...lines.slice(0, LISTED_MAX), `${what}: records of ${more}${why}`]
}

/** @param record as `nameOf` writes it: its kind, then its parts; the name of a repository may contain blanks */
function placeOf(record: string): { of: string; kind: string } {
  const [kind = '', ...words] = record.split(' ')
  const around = AROUND[kind]
  return { of: around === undefined ? '' : words.slice(around[0], words.length - around[1]).join(' '), kind }
}
