import { Command } from 'commander'
import { acceptTime, showClock } from '../admin/clock.ts'
import { EXIT } from './exit.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from './options.ts'
import { ask } from './run.ts'
import { counted, printError, withWarnings } from './terminal/print.ts'

type Shown = Awaited<ReturnType<typeof showClock.run>>
type Accepted = Awaited<ReturnType<typeof acceptTime.run>>

export function clockCommand(): Command {
  return new Command('clock')
    .description(
      'the time of the server and of the last commit; exit code 1: the clock went back, and nothing is signed',
    )
    .option('--accept', 'sign from now on: the clock was ahead before, and is right now')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(({ accept }: { accept?: true }, command: Command) =>
      accept === true
        ? ask(command, acceptTime, {}, acceptedText, exitCodeOfAccepted)
        : ask(command, showClock, {}, clockText, ({ fault }) => (fault === null ? EXIT.ok : EXIT.negative)),
    )
}

function clockText({ now, lastCommit, fault }: Shown): string {
  const times = `now ${now}, last commit ${lastCommit ?? 'none'}`
  if (fault === null) return times
  return `${times}: nothing is signed\nset the clock; if it was ahead then, and is right now: countersign clock --accept`
}

function acceptedText({ accepted, renewed, failed, warnings }: Accepted): string {
  const nothing = failed === 0 ? 'nothing to sign again' : 'nothing signed again'
  const made = renewed === 0 ? nothing : `signed ${counted(renewed, 'repository', 'repositories')} anew`
  return withWarnings(`${accepted ? 'accepted' : 'the clock is right already'}: ${made}`, warnings)
}

/** Adds what is left to do, since the answer only says what was done. */
function exitCodeOfAccepted({ failed }: Accepted): number {
  if (failed === 0) return EXIT.ok
  printError(
    `${counted(failed, 'repository', 'repositories')} could not be signed again`,
    "the server's log says why (start the server, if it is stopped); then run the command again",
  )
  return EXIT.failed
}
