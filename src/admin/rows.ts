import { z } from 'zod'
import type { FoundRecords } from '../store/found-records.ts'
import { list } from './answers.ts'

const damagedRow = z.lazy(() =>
  z
    .object({ name: z.string(), damaged: z.string().meta({ description: 'why the entry cannot be read' }) })
    .meta({ id: 'Damaged', description: 'a list entry that cannot be read, and so cannot be used' }),
)
export type DamagedRow = z.output<typeof damagedRow>

/** A list with some rows that may be damaged. */
export function rows<Row extends z.ZodType>(
  row: Row,
): z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [Row, typeof damagedRow]>>> {
  return list(z.union([row, damagedRow]))
}

/** Returns the readable rows as they are shown, then the damaged ones. */
export function rowsOf<Value, Row>(
  { values, damaged }: FoundRecords<Value>,
  rowOf: (value: Value) => Row,
): (Row | DamagedRow)[] {
  return [...values.map((value) => rowOf(value)), ...damaged.map(({ name, damaged: why }) => ({ name, damaged: why }))]
}
