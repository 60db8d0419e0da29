import { Command } from 'commander'
import { findDigest, type Sighting } from '../admin/find.ts'
import { JSON_OPTION } from './options.ts'
import { table } from './print.ts'
import { ask, EXIT } from './run.ts'

export function findCommand(): Command {
  return new Command('find')
    .description('where and since when a digest is signed; exit code 0: it is signed now, 1: never, or no more')
    .argument('<digest>', 'sha256:… of a manifest')
    .option(...JSON_OPTION)
    .action((digest: string, _: object, command: Command) =>
      ask(command, findDigest, { digest }, sightings, ({ now }) => (now.length > 0 ? EXIT.ok : EXIT.negative)),
    )
}

function sightings({ now, before }: { now: readonly Sighting[]; before: readonly Sighting[] }): string {
  if (now.length + before.length === 0) return 'never signed here'
  return table([['IMAGE', 'SIGNED BY', 'SINCE', 'UNTIL', 'WHO'], ...[...now, ...before].map(sightingRow)])
}

function sightingRow({ gun, role, tag, since, until, by, damaged }: Sighting): string[] {
  return [`${gun}:${tag}`, role, since, until ?? (damaged === undefined ? 'now' : 'damaged'), by]
}
