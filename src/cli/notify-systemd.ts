import type { Log } from '../log/log.ts'

/**
 * Tells systemd that the server is ready, if the unit has `Type=notify`: `systemctl start` then waits until it is, and
 * fails if it does not get ready. By systemd's own program, since Node has no datagram sockets of this kind.
 */
export async function notifySystemd(log: Log): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return
  const { execFile } = await import('node:child_process')
  execFile('systemd-notify', ['--ready'], (error) => {
    if (error !== null) log.error({ err: error }, 'systemd cannot be told that the server is ready')
  })
}
