import type { FoundRecords } from '../store/found-records.ts'

/** A line of a list, of what cannot be read: it cannot be used either. */
export interface DamagedRow {
  readonly name: string
  /** Why. */
  readonly damaged: string
}

/** Those that can be read, as they are shown, then the others. */
export function rowsOf<Value, Row>(
  { values, damaged }: FoundRecords<Value>,
  rowOf: (value: Value) => Row,
): (Row | DamagedRow)[] {
  return [...values.map((value) => rowOf(value)), ...damaged.map(({ name, damaged: why }) => ({ name, damaged: why }))]
}
