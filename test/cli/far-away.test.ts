import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { Terminal } from './terminal.ts'

/** Answers everything with 404. */
const SERVER = `require('node:http').createServer((_, response) => response.writeHead(404).end())
  .listen({ host: '127.0.0.2', port: process.argv[1], backlog: 1 }, () => console.log('listening'))`

/**
 * Gives localhost two addresses, and lets the server at the first one go on only when a handshake has waited for it. It is
 * tried again after a second: by then the server must have made room, even on a busy machine.
 */
const FAR = `import dns from 'node:dns'
  dns.lookup = (name, options, callback) => {
    setTimeout(() => process.kill(Number(process.env.FAR), 'SIGCONT'), 20)
    callback(null, ['127.0.0.2', '127.0.0.3'].map((address) => ({ address, family: 4 })))
  }`

test('a server with several addresses may be so far away that the handshake takes a second', async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  await terminal.host()
  const port = await freePort()
  const server = spawn(process.execPath, ['-e', SERVER, `${port}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => server.kill('SIGKILL'))
  await once(server.stdout, 'data')
  server.kill('SIGSTOP')
  // The system itself finishes handshakes until these are enough; then it drops them, and clients try again.
  const sockets = Array.from({ length: 8 }, () => connect(port, '127.0.0.2').on('error', () => undefined))
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  await pause(300)
  await writeFile(terminal.path('far.mjs'), FAR)
  const environment = { NODE_OPTIONS: '--import ./far.mjs', FAR: `${server.pid}` }
  const { stderr } = await terminal.run(['repo', 'adopt', 'a.b/c', '--from', `http://localhost:${port}`], environment)
  assert.match(stderr, new RegExp(`^error: http://localhost:${port} has no trust data for a\\.b/c$`, 'm'))
})
