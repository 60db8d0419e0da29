import { Command } from 'commander'
import { showExpiry } from '../admin/expiry.ts'
import { JSON_OPTION, wholeNumber } from './options.ts'
import { ask } from './run.ts'
import { counted, table } from './terminal/print.ts'

export function expiryCommand(): Command {
  return new Command('expiry')
    .description('everything that ends, soonest first, and what to do about it')
    .option('--days <days>', 'only what ends within this many days (default: all)', wholeNumber(0, 36_500))
    .option(...JSON_OPTION)
    .action(({ days }: { days?: number }, command: Command) =>
      ask(command, showExpiry, { days }, (rows) => {
        if (rows.length === 0)
          return `nothing ends${days === undefined ? '' : ` within ${counted(days, 'day', 'days')}`}`
        const cells = rows.map(({ gun, what, ends, daysLeft, todo }) => [
          ends.slice(0, 10),
          daysLeft < 0 ? 'ended' : String(daysLeft),
          gun ?? '(server)',
          what,
          todo,
        ])
        return table([['ENDS', 'DAYS', 'REPOSITORY', 'WHAT', 'THEN'], ...cells])
      }),
    )
}
