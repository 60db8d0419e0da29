import { Command } from 'commander'
import { flushCompileCache } from 'node:module'
import { allUsers } from '../access/user.ts'
import { createLog, type Log } from '../log/log.ts'
import { serve } from '../main.ts'
import { mustBeOwner } from './connection/owner.ts'
import { EXIT } from './exit.ts'
import { greetingOf } from './greeting.ts'
import { notifySystemd } from './notify-systemd.ts'
import { run, settingsOf } from './run.ts'
import { outputIsLog } from './terminal/output.ts'

/** Exit code of a server that died of our own fault, after its last log line. */
const EXIT_FAULT = 1
/** Milliseconds that the last lines of the log may wait for their reader. */
const LOG_READ_WITHIN = 1_000

export function serveCommand(): Command {
  return new Command('serve')
    .description('start the server; a first start makes keys, TLS identity and an empty store')
    .option('--quiet', 'print nothing but the log')
    .addHelpText(
      'after',
      '\nSettings are a JSON file (--config) and variables COUNTERSIGN_…: "countersign' +
        '\nconfig" prints all of them. The log goes to standard output, one JSON object a' +
        '\nline; what a person should read goes to standard error. At SIGTERM or SIGINT it' +
        '\nfinishes what is running, then ends; the second one ends it at once.',
    )
    .action(async ({ quiet }: { quiet?: true }, command: Command) =>
      run(async () => {
        const settings = settingsOf(command)
        // Make all files, LevelDB's too, accessible to the owner only.
        process.umask(0o077)
        await mustBeOwner(settings.dataDirectory)
        outputIsLog()
        const log = createLog(settings.logLevel)
        endOnFaults(log)
        const stop = stopSignal()
        const running = await serve(settings, { log })
        await notifySystemd(log)
        if (quiet === undefined) {
          const users = (await allUsers(running.store)).values.length
          process.stderr.write(greetingOf(running, settings, users))
        }
        // Until Node has written what the compile cache lacks, it keeps all of it in memory: 4 to 5 MB.
        flushCompileCache()
        await stop
        await running.close()
        // By then, only the log can still be waiting.
        setTimeout(() => process.exit(), LOG_READ_WITHIN).unref()
        return EXIT.ok
      }),
    )
}

/** Ends the process after an uncaught error, since its state is unknown: one log line, then exit. All data is safe. */
function endOnFaults(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'fault')
    process.exit(EXIT_FAULT)
  })
}

/** Resolves at the first SIGTERM or SIGINT, even during the start, to let everything finish; a second one exits at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0
    const stop = (): void => ((signals += 1) === 1 ? resolve() : process.exit(EXIT.failed))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  })
}
