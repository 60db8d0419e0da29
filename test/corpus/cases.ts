import type { Case } from './case.ts'
import { forms } from './forms.ts'
import { framing } from './framing.ts'
import { jsonDocuments } from './json-documents.ts'
import { jsonMembers } from './json-members.ts'
import { jsonValues } from './json-values.ts'
import { requests } from './requests.ts'
import { roleNames } from './role-names.ts'
import { roots } from './roots.ts'
import { signatures } from './signatures.ts'
import { snapshotsAndSets } from './snapshots-and-sets.ts'
import { targets } from './targets.ts'
import { timesAndVersions } from './times-and-versions.ts'

/** Returns every case of the corpus. */
export const allCases = (): Case[] => [
  ...jsonDocuments(),
  ...jsonMembers(),
  ...jsonValues(),
  ...signatures(),
  ...timesAndVersions(),
  ...targets(),
  ...roots(),
  ...snapshotsAndSets(),
  ...roleNames(),
  ...forms(),
  ...requests(),
  ...framing(),
]
