import { withoutBlocking } from '../without-blocking.ts'
import { isBlockWhole, isTooLong, isTrap, namedIn, placesIn, type Holds, type Place } from './table-file.ts'

/** Damage in a table. */
interface TableDamage {
  /** What is not as written, with its verb: `3 of 100 blocks are`. */
  readonly what: string
  /** Offsets to set to UNREADABLE, so that LevelDB reports an error where the damage may otherwise end the process. */
  readonly marks: readonly number[]
}

interface Block {
  readonly place: Place
  readonly holds: Holds
}

/**
 * Checks a table against its checksums, from its end: the footer names two blocks, and these list all others. Below a
 * damaged one of these, nothing can be found. Lets other waiting work run in between.
 *
 * @returns undefined if the table is whole
 */
export async function damageInTable(table: Buffer): Promise<TableDamage | undefined> {
  try {
    const { index, meta } = namedIn(table)
    if (isTooLong(table, index) || isTooLong(table, meta)) return { what: 'its end is', marks: [table.length - 1] }
    if (!isBlockWhole(table, index)) return damageOf('its index is', table, blocksOf('index', [index]))
    if (!isBlockWhole(table, meta)) return damageOf('its list of filters is', table, blocksOf('filters', [meta]))
    const blocks = [...blocksOf('records', placesIn(table, index)), ...blocksOf('filters', placesIn(table, meta))]
    const damaged: Block[] = []
    for await (const block of withoutBlocking(blocks)) if (!isBlockWhole(table, block.place)) damaged.push(block)
    if (damaged.length === 0) return undefined
    const what = `${damaged.length} of ${blocks.length} blocks ${damaged.length === 1 ? 'is' : 'are'}`
    return damageOf(what, table, damaged)
  } catch (error) {
    // Something is named that is not in the table.
    if (error instanceof RangeError) return { what: 'its end is', marks: [] }
    throw error
  }
}

function blocksOf(holds: Holds, places: readonly Place[]): Block[] {
  return places.map((place) => ({ place, holds }))
}

/** @param blocks damaged ones: the type of each that is a trap, which follows it, is to be marked */
function damageOf(what: string, table: Buffer, blocks: readonly Block[]): TableDamage {
  const traps = blocks.filter(({ place, holds }) => isTrap(table, place, holds))
  return { what, marks: traps.map(({ place: { at, bytes } }) => at + bytes) }
}
