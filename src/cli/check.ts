import { Command } from 'commander'
import { checkStore } from '../admin/repositories.ts'
import type { CheckReport } from '../repository/check.ts'
import { counted, print, printJson, visible } from './print.ts'
import { EXIT, withConnection } from './run.ts'

export function checkCommand(): Command {
  return new Command('check')
    .description('verify all that is stored, on a running server or a stopped one; exit code 0: sound, 1: errors found')
    .option('--json', 'print the report as JSON')
    .action(async ({ json }: { json?: true }, command: Command) =>
      withConnection(command, async (connection) => {
        const report = await connection.call(checkStore, {})
        if (json === true) printJson(report)
        else printReport(report)
        return hasErrors(report) ? EXIT.negative : EXIT.ok
      }),
    )
}

export function hasErrors({ findings }: CheckReport): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

/** What was found, a line each, and the verdict. */
export function printReport({ repositories, commits, records, findings }: CheckReport): void {
  for (const { severity, gun, text } of findings) {
    print(`${severity}: ${gun === undefined ? '' : `${gun}: `}${visible(text)}`)
  }
  const total = Object.values(records).reduce((sum, count) => sum + count, 0)
  const seen = [
    counted(repositories, 'repository', 'repositories'),
    counted(commits, 'commit', 'commits'),
    counted(total, 'record', 'records'),
  ]
  const errors = findings.filter(({ severity }) => severity === 'error').length
  print(`${seen.join(', ')}: ${errors === 0 ? 'sound' : counted(errors, 'error', 'errors')}`)
}
