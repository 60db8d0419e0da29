import { unlessDamaged } from '../errors.ts'
import { SERVER } from '../tuf/gun.ts'
import type { Store } from './store.ts'

/**
 * Returns the revision of SERVER, whose records say who may do what; 0 if it has none, or if its head is damaged, which
 * stops no publish.
 */
export function serverRevision(headOf: Store['head']): number {
  return unlessDamaged(() => headOf(SERVER))?.revision ?? 0
}
