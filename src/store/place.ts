import type { AnchorKey } from './anchor.ts'

/** Where a store lies, and what signs its anchor. */
export interface StorePlace {
  /** Where LevelDB keeps its files. */
  readonly directory: string
  readonly anchorFile: string
  readonly anchorKey: AnchorKey
}
