import { Command } from 'commander'
import { TrustError } from '../errors.ts'
import { describeSettings, type SettingDescription, type SettingsSources } from '../settings/load.ts'
import { EXIT } from './exit.ts'
import { JSON_OPTION } from './options.ts'
import { configOf, run } from './run.ts'
import { print, printJson, table } from './terminal/print.ts'

export function configCommand(): Command {
  return new Command('config')
    .description('every setting: what it would be for a server started here and now, where that comes from, what it is')
    .addHelpText(
      'after',
      '\nIt reads the settings file and the environment of this shell. A server that' +
        '\nruns already has what it was started with: a service often has other variables.',
    )
    .option(...JSON_OPTION)
    .action(async ({ json }: { json?: true }, command: Command) =>
      run(async () => {
        const sources: SettingsSources = { file: configOf(command), environment: process.env }
        try {
          const rows = describeSettings(sources)
          if (json === true) printJson(rows)
          else printSettings(rows)
          return EXIT.ok
        } catch (error) {
          // Somebody who wants to know what is wrong also wants to see what would be right.
          if (json !== true) printDefaults(describeSettings({ environment: {} }))
          throw error instanceof TrustError ? new TrustError(error.code, error.message, { cause: error }) : error
        }
      }),
    )
}

function printSettings(rows: readonly SettingDescription[]): void {
  const cells = rows.map(({ name, value, origin, help }) => [name, textOf(value), origin, help])
  print(table([['SETTING', 'VALUE', 'FROM', 'WHAT IT IS'], ...cells]))
  printHow()
}

/** Prints defaults instead of values, which settings with a mistake do not have. */
function printDefaults(rows: readonly SettingDescription[]): void {
  print(
    table([['SETTING', 'DEFAULT', 'WHAT IT IS'], ...rows.map(({ name, value, help }) => [name, textOf(value), help])]),
  )
  printHow()
}

function printHow(): void {
  print(
    '\nA JSON file has them by these names, { "listen": { "port": 4443 } }; --config or COUNTERSIGN_CONFIG names it.',
  )
  print('In the environment listen.port is COUNTERSIGN_LISTEN_PORT, and so on; it wins over the file.')
}

function textOf(value: unknown): string {
  if (value === null) return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(textOf).join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
