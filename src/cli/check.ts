import { Command } from 'commander'
import type { CheckReport } from '../repository/check.ts'
import { connect } from './connect.ts'
import { EXIT, print, printJson, run, settingsOf } from './run.ts'

export function checkCommand(): Command {
  return new Command('check')
    .description('verify all that is stored, on a running server or a stopped one; exit code 0: sound, 1: findings')
    .option('--json', 'print the report as JSON')
    .action(async ({ json }: { json?: true }, command: Command) =>
      run(async () => {
        const connection = await connect(settingsOf(command))
        try {
          const report = await connection.check()
          if (json === true) printJson(report)
          else printReport(report)
          return report.findings.some(({ severity }) => severity === 'error') ? EXIT.negative : EXIT.ok
        } finally {
          await connection.close()
        }
      }),
    )
}

function printReport({ repositories, commits, records, findings }: CheckReport): void {
  for (const { severity, gun, text } of findings) print(`${severity}: ${gun === undefined ? '' : `${gun}: `}${text}`)
  const total = Object.values(records).reduce((sum, count) => sum + count, 0)
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const verdict = errors === 0 ? 'sound' : `${errors} error${errors === 1 ? '' : 's'}`
  print(
    `${count(repositories, 'repository', 'repositories')}, ${count(commits, 'commit', 'commits')}, ${count(total, 'record', 'records')}: ${verdict}`,
  )
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
