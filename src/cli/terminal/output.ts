import { messageOf } from '../../errors.ts'
import { EXIT } from '../exit.ts'
import { printError } from './print.ts'

let unread = false

/** True once nobody reads what is printed any more: what prints without end may stop. */
export function isUnread(): boolean {
  return unread
}

/**
 * Ends a command whose answer cannot be printed. `countersign … | head` closes the pipe early: that is no error, and the
 * command ends by itself, since its exit code tells something, too.
 */
export function outputFailed(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') {
    unread = true
    return
  }
  const reason = messageOf(error).replace(/, \w+$/, '')
  printError(
    `cannot write to standard output: ${reason}`,
    'make room there; a change that was asked for is done all the same',
  )
  process.exit(EXIT.failed)
}

/** From now on it is a server's log, which goes on without whoever read it. */
export function outputIsLog(): void {
  process.stdout.off('error', outputFailed)
}
