import type { AnchorKey } from './anchor.ts'

/** Where a store is, and the key that signs its anchor. */
export interface StorePlace {
  /** The directory of LevelDB's files. */
  readonly directory: string
  readonly anchorFile: string
  readonly anchorKey: AnchorKey
}
