import { Command } from 'commander'
import { checkStore } from '../admin/check.ts'
import type { CheckReport } from '../repository/check.ts'
import { EXIT } from './exit.ts'
import { ask } from './run.ts'
import { counted, visible } from './terminal/print.ts'

export function checkCommand(): Command {
  return new Command('check')
    .description('verify all that is stored, on a running server or a stopped one; exit code 0: sound, 1: errors found')
    .option('--json', 'print the report as JSON')
    .action((_: object, command: Command) =>
      ask(command, checkStore, {}, reportText, (report) => (hasErrors(report) ? EXIT.negative : EXIT.ok)),
    )
}

export function hasErrors({ findings }: CheckReport): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

/** Returns a line for each finding, and the verdict. @param most lines of findings; a further line counts the rest */
export function reportText({ repositories, commits, records, findings }: CheckReport, most = Infinity): string {
  const lines = findings
    .slice(0, most)
    .map(({ severity, gun, text }) => `${severity}: ${gun === undefined ? '' : `${gun}: `}${visible(text)}`)
  if (findings.length > most) lines.push(`and ${findings.length - most} more, which "countersign check" names`)
  const total = Object.values(records).reduce((sum, count) => sum + count, 0)
  const seen = [
    counted(repositories, 'repository', 'repositories'),
    counted(commits, 'commit', 'commits'),
    counted(total, 'record', 'records'),
  ]
  const errors = findings.filter(({ severity }) => severity === 'error').length
  return [...lines, `${seen.join(', ')}: ${errors === 0 ? 'sound' : counted(errors, 'error', 'errors')}`].join('\n')
}
