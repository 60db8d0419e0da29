import { z } from 'zod'
import type { FoundRecords } from '../store/found-records.ts'
import { list } from './answers.ts'

const damagedRow = z.lazy(() =>
  z
    .object({ name: z.string(), damaged: z.string().meta({ description: 'why' }) })
    .meta({ id: 'Damaged', description: 'a list entry that cannot be read, and so cannot be used' }),
)
export type DamagedRow = z.output<typeof damagedRow>

/** A list of which some lines cannot be read. */
export function rows<Row extends z.ZodType>(
  row: Row,
): z.ZodReadonly<z.ZodArray<z.ZodUnion<readonly [Row, typeof damagedRow]>>> {
  return list(z.union([row, damagedRow]))
}

/** Those that can be read, as they are shown, then the others. */
export function rowsOf<Value, Row>(
  { values, damaged }: FoundRecords<Value>,
  rowOf: (value: Value) => Row,
): (Row | DamagedRow)[] {
  return [...values.map((value) => rowOf(value)), ...damaged.map(({ name, damaged: why }) => ({ name, damaged: why }))]
}
