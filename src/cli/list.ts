import type { Command } from 'commander'
import type { z } from 'zod'
import type { Operation } from '../admin/operation.ts'
import type { DamagedRow } from '../admin/rows.ts'
import { EXIT } from './exit.ts'
import { ask } from './run.ts'
import { table } from './terminal/print.ts'

/** Shown in place of a row that cannot be read. */
export const DAMAGED = 'damaged: countersign check'

interface Columns<Row> {
  /** Printed if there are no rows. */
  readonly none: string
  readonly head: readonly string[]
  /** The first cell is the row's name. */
  readonly cells: (row: Row) => readonly string[]
}

/** Prints a list as a table; the exit code is 1 if a row is damaged. */
export function list<Schema extends z.ZodObject, Row extends object>(
  command: Command,
  operation: Operation<Schema, readonly (Row | DamagedRow)[]>,
  { none, head, cells }: Columns<Row>,
): Promise<void> {
  const cellsOf = (row: Row | DamagedRow): readonly string[] => (isDamaged(row) ? [row.name, DAMAGED] : cells(row))
  const show = (rows: readonly (Row | DamagedRow)[]): string =>
    rows.length === 0 ? none : table([head, ...rows.map(cellsOf)])
  return ask(command, operation, {} as z.input<Schema>, show, exitCodeOfList)
}

/** Returns the exit code of a list: 1 if a row is damaged. */
export function exitCodeOfList(rows: readonly object[]): number {
  return rows.some(isDamaged) ? EXIT.negative : EXIT.ok
}

export function isDamaged(row: object): row is DamagedRow {
  return 'damaged' in row
}
