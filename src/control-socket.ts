import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Settings } from './settings/schema.ts'

/** Returns the path where the command line reaches a running server. */
export function controlSocket(settings: Pick<Settings, 'dataDirectory'>): string {
  return join(settings.dataDirectory, 'control.sock')
}

/** True if the last server there was killed or died: its socket is left, and nobody listens. */
export async function isStaleSocket(socketPath: string): Promise<boolean> {
  return existsSync(socketPath) && !(await isServerListening(socketPath))
}

/** True if a server listens at this control socket. A socket left by a killed server accepts no connection. */
export function isServerListening(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
