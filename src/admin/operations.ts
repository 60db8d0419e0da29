import type { Operation } from './operation.ts'
import { checkStore, deleteRepository, listKeys, listRepositories, showRepository } from './repositories.ts'

/** Every operation, in the order of the documentation. */
export const OPERATIONS: readonly Operation[] = [
  checkStore,
  listRepositories,
  showRepository,
  deleteRepository,
  listKeys,
]
