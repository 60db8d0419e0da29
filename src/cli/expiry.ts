import { Command } from 'commander'
import { DAYS_MAX, showExpiry } from '../admin/expiry.ts'
import { JSON_OPTION, wholeNumber } from './options.ts'
import { ask } from './run.ts'
import { counted, table } from './terminal/print.ts'

/** Days ahead that people see unless they ask: in each repository four things end, most of them in years. */
const DAYS_SHOWN = 365

interface Options {
  readonly days?: number
  readonly json?: true
}

export function expiryCommand(): Command {
  return new Command('expiry')
    .description('what ends, soonest first, and what to do about it')
    .option(
      '--days <days>',
      `only what ends within this many days (default: ${DAYS_SHOWN}; with --json, everything)`,
      wholeNumber(0, DAYS_MAX),
    )
    .option(...JSON_OPTION)
    .action(({ days, json }: Options, command: Command) => {
      const shown = days ?? DAYS_SHOWN
      return ask(command, showExpiry, { days: json === true ? days : shown }, (rows) => {
        const cells = rows.map(({ gun, what, ends, daysLeft, todo }) => [
          ends.slice(0, 10),
          daysLeft < 0 ? 'ended' : String(daysLeft),
          gun ?? '(server)',
          what,
          todo,
        ])
        const nothing = `nothing ends within ${counted(shown, 'day', 'days')}`
        const found = cells.length === 0 ? nothing : table([['ENDS', 'DAYS', 'REPOSITORY', 'WHAT', 'THEN'], ...cells])
        return days === undefined
          ? `${found}\nwhat ends after ${shown} days: countersign expiry --days ${DAYS_MAX}`
          : found
      })
    })
}
