import { Command } from 'commander'
import { findDigest } from '../admin/find.ts'
import type { Sighting } from '../admin/sightings.ts'
import { EXIT } from './exit.ts'
import { JSON_OPTION } from './options.ts'
import { ask } from './run.ts'
import { table, withWarnings } from './terminal/print.ts'

export function findCommand(): Command {
  return new Command('find')
    .description('where and since when a digest is signed; exit code 0: it is signed now, and clients see it')
    .argument('<digest>', 'sha256:… of a manifest')
    .option(...JSON_OPTION)
    .action((digest: string, _: object, command: Command) =>
      ask(command, findDigest, { digest }, sightings, ({ now }) =>
        now.some((each) => whyNotSeen(each) === undefined) ? EXIT.ok : EXIT.negative,
      ),
    )
}

function sightings({ now, before, warnings: missing }: Awaited<ReturnType<typeof findDigest.run>>): string {
  if (now.length + before.length === 0) {
    const where = missing.length === 0 ? '' : ', as far as the journal can be read'
    return withWarnings(`never signed here${where}`, missing)
  }
  const warnings = [...now.flatMap((each) => whyNotSeen(each) ?? []), ...missing]
  const rows = [...now, ...before].map(sightingRow)
  return withWarnings(table([['IMAGE', 'SIGNED BY', 'SINCE', 'UNTIL', 'WHO'], ...rows]), [...new Set(warnings)])
}

/** Returns why no client accepts it, though it is signed; undefined: clients accept it. */
function whyNotSeen({ gun, damaged, unseen }: Sighting): string | undefined {
  const why = damaged ?? unseen
  return why === undefined ? undefined : `${gun}: ${why}`
}

function sightingRow({ gun, role, tag, since, until, by, damaged, unseen }: Sighting): string[] {
  const state = damaged === undefined ? (unseen === undefined ? 'now' : 'unseen') : 'damaged'
  return [`${gun}:${tag}`, role, since, until ?? state, by]
}
