import { damageIn } from '../errors.ts'
import type { DamagedRecord, RecordKind, Store } from './store.ts'

/** All records of a kind, both those that can be read and those that cannot. */
export interface FoundRecords<Value> {
  /** In byte order of their names. */
  readonly values: readonly Value[]
  readonly damaged: readonly DamagedRecord[]
}

/** Stands for all names that could not be listed because the database is damaged there. */
export const THE_REST = '(the rest)'

/**
 * Reads all records of a kind; one that cannot be read does not hide the others.
 *
 * @typeParam Value the value of records of this kind
 * @throws TrustError STORE_UNAVAILABLE
 */
export async function findRecords<Value>(
  store: Pick<Store, 'records'>,
  kind: RecordKind,
): Promise<FoundRecords<Value>> {
  const values: Value[] = []
  const damaged: DamagedRecord[] = []
  try {
    for await (const record of store.records(kind)) {
      if ('damaged' in record) damaged.push(record)
      else values.push(record.value as Value)
    }
  } catch (error) {
    damaged.push({ kind, name: THE_REST, damaged: damageIn(error).message })
  }
  return { values, damaged }
}
