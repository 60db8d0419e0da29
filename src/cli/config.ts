import { Command } from 'commander'
import { describeSettings } from '../config.ts'
import { EXIT, print, printJson, run, table } from './run.ts'

export function configCommand(): Command {
  return new Command('config')
    .description('every setting with its value, where that comes from, and what it is for')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { json?: true }, command: Command) =>
      run(async () => {
        const { config } = command.optsWithGlobals<{ config?: string }>()
        const rows = describeSettings({ file: config, environment: process.env })
        if (json === true) printJson(rows)
        else {
          const cells = rows.map(({ name, value, origin, help }) => [name, textOf(value), origin, help])
          print(table([['SETTING', 'VALUE', 'FROM', 'WHAT IT IS'], ...cells]))
          print(
            '\nIn the environment listen.port is COUNTERSIGN_LISTEN_PORT, and so on; COUNTERSIGN_CONFIG names a JSON file.',
          )
        }
        return EXIT.ok
      }),
    )
}

function textOf(value: unknown): string {
  if (value === null) return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
