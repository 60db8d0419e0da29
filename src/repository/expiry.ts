import type { Head } from '../store/store.ts'
import { certificateEnds } from '../tuf/certificate.ts'
import type { Gun } from '../tuf/gun.ts'
import { parseRoot } from '../tuf/root.ts'
import { loadCurrent } from './current.ts'
import type { Trust } from './trust.ts'

/** Something whose end only a client can put off: client-signed metadata, or the certificates of root. */
export interface Ending {
  readonly gun: Gun
  /** A role, or `root certificate`: past its end the repository is frozen for writers and readers (wire spec §19.24). */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly expires: number
}

/** Names read at once while walking all repositories. */
const PAGE = 1_000

/** All repositories, in byte order of their names. */
export function* allGuns(store: Pick<Trust['store'], 'guns'>): IterableIterator<Gun> {
  let after: Gun | undefined
  for (;;) {
    const page = store.guns(PAGE, after)
    yield* page
    after = page.at(-1)
    if (page.length < PAGE || after === undefined) return
  }
}

/** What ends at or before `until` (milliseconds since 1970) in one repository. */
export function endings(trust: Pick<Trust, 'store'>, gun: Gun, head: Head, until: number): Ending[] {
  const found: Ending[] = []
  for (const [role, state] of Object.entries(head.roles)) {
    if (role !== 'timestamp' && state.expires <= until) found.push({ gun, what: role, expires: state.expires })
  }
  const root = loadCurrent(trust, gun, head, 'root')
  if (root !== undefined) {
    // The repository lives as long as its longest-lived certificate does.
    const ends = [...parseRoot(root).roles.root.keys.values()].flatMap((key) => certificateEnds(key) ?? [])
    const last = Math.max(...ends)
    if (last <= until) found.push({ gun, what: 'root certificate', expires: last })
  }
  return found
}
