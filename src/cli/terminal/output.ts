import { messageOf } from '../../errors.ts'
import { EXIT } from '../exit.ts'
import { printError } from './print.ts'

let unread = false

/** True once nobody reads the output any more, so that endless output may stop. */
export function isUnread(): boolean {
  return unread
}

/**
 * Ends a command that cannot print its answer. `countersign … | head` closes the pipe early: that is no error, and the
 * command finishes by itself, since its exit code matters too.
 */
export function outputFailed(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') {
    unread = true
    return
  }
  const reason = messageOf(error).replace(/, \w+$/, '')
  printError(
    `cannot write to standard output: ${reason}`,
    'free some space there; any change that was requested was still made',
  )
  process.exit(EXIT.failed)
}

/** Makes standard output a server's log, which goes on even if its reader goes away. */
export function outputIsLog(): void {
  process.stdout.off('error', outputFailed)
}
