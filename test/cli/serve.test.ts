import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { greetingOf } from '../../src/cli/greeting.ts'
import { loadSettings } from '../../src/settings/load.ts'
import { exchange } from '../support/exchange.ts'
import { COMMAND } from '../support/server-process.ts'
import { until } from '../support/until.ts'
import { steady, Terminal, type Started } from './terminal.ts'

let terminal: Terminal

beforeEach(async () => {
  terminal = await Terminal.open()
})

afterEach(() => terminal.close())

describe('countersign serve', () => {
  test('a first start makes what is missing and prints what to type next', async () => {
    const server = await terminal.serve()
    const { status, body } = await exchange(server, { path: '/v2/' })
    assert.deepEqual([status, body.toString()], [200, '{}'])
    assert.equal(await server.end(), 0)
    assert.equal(
      steady(server.stderr.replaceAll(terminal.directory, '/home/me')),
      `made keys in keys
made an empty store in data
made a TLS CA and a server certificate in keys/tls
Countersign serves trust data on https://localhost:PORT

Type next, in another terminal:

  mkdir -p ~/.docker/tls/localhost:PORT && cp /home/me/keys/tls/ca.crt ~/.docker/tls/localhost:PORT/ca.crt
  export DOCKER_CONTENT_TRUST=1
  export DOCKER_CONTENT_TRUST_SERVER=https://localhost:PORT
  docker login REGISTRY
  docker trust sign REGISTRY/REPOSITORY:TAG
  docker trust inspect --pretty REGISTRY/REPOSITORY

The first "sign" asks for three new passphrases: keep them, and a copy of ~/.docker/trust/private.
Docker 29 and later need the docker-trust plugin, and verify nothing on pull and run: see docs/CLIENTS.md.

`,
    )
    assert.match(server.stderr, new RegExp(`SERVER=https://localhost:${server.port}\n`))
  })

  test('what to type next follows the settings', () => {
    const greeting = (environment: Record<string, string>): string =>
      greetingOf({ url: 'https://…', port: 4443, made: [] }, loadSettings({ environment }), 0)
    const everywhere = {
      COUNTERSIGN_LISTEN_HOST: '0.0.0.0',
      COUNTERSIGN_LISTEN_WITHOUT_AUTHENTICATION: 'anyone-may-write',
    }
    assert.match(greeting(everywhere), /_SERVER=https:\/\/localhost:4443\n/)
    assert.match(greeting({ COUNTERSIGN_LISTEN_HOST: '::1' }), /_SERVER=https:\/\/\[::1\]:4443\n/)
    const own = { COUNTERSIGN_TLS_CERTIFICATE_FILE: 'tls.crt', COUNTERSIGN_TLS_KEY_FILE: 'tls.key' }
    assert.doesNotMatch(greeting(own), /ca\.crt/)
    const behind = greeting({ COUNTERSIGN_LISTEN_PLAIN_HTTP: 'i-know-this-is-not-encrypted' })
    assert.match(behind, /put a proxy in front\n\n$/)
    assert.doesNotMatch(behind, /DOCKER_CONTENT_TRUST/)
  })

  test('systemd is told when the server is ready, if the unit asks for it', async () => {
    const program = '#!/bin/sh\necho "$NOTIFY_SOCKET" "$@" >>told\n'
    await mkdir(terminal.path('bin'))
    await writeFile(terminal.path('bin', 'systemd-notify'), program, { mode: 0o755 })
    const PATH = `${terminal.path('bin')}:${process.env['PATH'] ?? ''}`
    const told = (): Promise<string> => readFile(terminal.path('told'), 'utf8').catch(() => '')
    const asked = await terminal.serve(['--quiet'], { PATH, NOTIFY_SOCKET: '/run/notify' })
    await until('systemd to be told', async () => (await told()) !== '')
    assert.equal(await asked.end(), 0)
    const plain = await terminal.serve(['--quiet'], { PATH })
    assert.equal(await plain.end(), 0)
    assert.equal(await told(), '/run/notify --ready\n')
    await writeFile(terminal.path('bin', 'systemd-notify'), '#!/bin/sh\nexit 1\n')
    const unheard = await terminal.serve(['--quiet'], { PATH, NOTIFY_SOCKET: '/run/notify' })
    await unheard.says('"systemd cannot be told that the server is ready"')
    assert.equal(await unheard.end(), 0)
  })

  test('a command whose server ends before it answers says so, and where to look', async (t) => {
    await mkdir(terminal.path('data'))
    const ending = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()))
    t.after(() => ending.close())
    await once(ending.listen(terminal.path('data', 'control.sock')), 'listening')
    const { code, stdout, stderr } = await terminal.run(['repo', 'list'])
    assert.deepEqual([code, stdout], [2, ''])
    assert.equal(
      stderr,
      'error: the server stopped before it had answered\n' +
        'hint: its log says why; "countersign audit" says whether it was done anyway\n',
    )
  })

  test('the server survives if nobody reads its log any more', async () => {
    const server = await terminal.serve()
    server.unread()
    for (let asked = 0; asked < 3; asked += 1) {
      assert.equal((await exchange(server, { path: '/v2/' })).status, 200)
      // Log lines are written together, a moment later.
      await pause(300)
    }
    assert.equal((await terminal.run(['user', 'list'])).code, 0)
    assert.equal((await exchange(server, { path: '/v2/' })).status, 200)
    assert.equal(await server.end(), 0)
  })

  test('compiled code is written, and no longer kept in memory, once the server runs', async () => {
    terminal.environment['NODE_COMPILE_CACHE'] = terminal.path('compiled')
    const server = await terminal.serve()
    await until('compiled code', async () => {
      return (await readdir(terminal.path('compiled'), { recursive: true })).length > 100
    })
    assert.equal(await server.end(), 0)
  })

  test('only the owner can read what the server makes', async () => {
    await (await terminal.serve()).end()
    for (const directory of ['data', 'keys', 'keys/tls']) {
      for (const name of ['', ...(await readdir(terminal.path(directory)))]) {
        const { mode } = await stat(terminal.path(directory, name))
        assert.equal(mode & 0o077, 0, `${directory}/${name}`)
      }
    }
  })

  for (const [log, path] of Object.entries({ 'cannot be written': '/dev/full', 'is not read': 'fifo' })) {
    test(`a log that ${log} stops neither answers nor shutdown`, async () => {
      await (await terminal.host()).end()
      execFileSync('mkfifo', [terminal.path('fifo')])
      const output = await open(resolve(terminal.directory, path), 'r+')
      const { directory: cwd, environment: env } = terminal
      const child = spawn(COMMAND, ['serve'], { cwd, env, stdio: ['ignore', output.fd, 'pipe'] })
      try {
        const [greeting] = (await once(child.stderr!, 'data')) as [Buffer]
        const [, url = ''] = /(https:\S+)/.exec(greeting.toString()) ?? []
        const server = { url, ca: await readFile(terminal.path('keys', 'tls', 'ca.crt'), 'utf8') }
        // More than once the log's buffer, and more than a pipe holds.
        const headers = { 'user-agent': 'x'.repeat(500) }
        for (let asked = 0; asked < 200; asked += 1) {
          assert.equal((await exchange(server, { path: '/v2/app/_trust/tuf/root.json', headers })).status, 404)
        }
        const exit = once(child, 'exit')
        child.kill('SIGTERM')
        assert.deepEqual(await exit, [0, null])
      } finally {
        child.kill('SIGKILL')
        await output.close()
      }
    })
  }

  test('a full disk that cuts a line of the log costs that line and not the next', async () => {
    await (await terminal.host()).end()
    const file = terminal.path('log')
    await using output = await open(file, 'a')
    const { directory: cwd, environment: env } = terminal
    const child = spawn(COMMAND, ['serve'], { cwd, env, stdio: ['ignore', output.fd, 'pipe'] })
    const limit = (bytes: string): unknown => execFileSync('prlimit', ['--pid', `${child.pid}`, `--fsize=${bytes}:`])
    const size = async (): Promise<number> => (await stat(file)).size
    try {
      const [greeting] = (await once(child.stderr!, 'data')) as [Buffer]
      const [, url = ''] = /(https:\S+)/.exec(greeting.toString()) ?? []
      const server = { url, ca: await readFile(terminal.path('keys', 'tls', 'ca.crt'), 'utf8') }
      const ask = (agent: string): Promise<unknown> =>
        exchange(server, { path: '/v2/', headers: { 'user-agent': agent } })
      await until('the first line', async () => (await size()) > 0)
      const full = (await size()) + 20
      limit(`${full}`)
      await ask('lost')
      await until('a line to be cut', async () => (await size()) === full)
      await ask('lost')
      limit('unlimited')
      await until('there to be room', async () => {
        await ask('kept')
        return (await size()) > full
      })
    } finally {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      await exit
    }
    const lines = (await readFile(file, 'utf8')).split('\n')
    const whole = lines.flatMap((line) => (/^\{.*\}$/.test(line) ? [JSON.parse(line) as Record<string, unknown>] : []))
    assert.equal(lines.filter((line) => /^\{.*[^}]$/.test(line)).length, 1)
    assert.deepEqual([whole[0]?.['msg'], whole.at(-1)?.['msg']], ['ready', 'stopped'])
    assert.ok(whole.some((line) => line['agent'] === 'kept'))
  })

  test('when a thread ends, the server ends', async () => {
    const fatal = `import { existsSync } from 'node:fs'
      import { isMainThread } from 'node:worker_threads'
      if (!isMainThread) setInterval(() => existsSync('go') && process.exit(3), 20)`
    await writeFile(terminal.path('fatal.mjs'), fatal)
    const threads = { COUNTERSIGN_THREADS: '2', NODE_OPTIONS: '--import ./fatal.mjs' }
    const server = await terminal.serve(['--quiet'], threads)
    await writeFile(terminal.path('go'), '')
    assert.equal(await Promise.race([server.ended(), pause(30_000, 'it goes on', { ref: false })]), 1)
    assert.match(server.stdout, /a thread ended with 3/)
  })

  test('a second start changes nothing', async () => {
    await (await terminal.host()).end()
    const before = await filesOf('keys', 'keys/tls')
    const again = await terminal.serve()
    assert.doesNotMatch(again.stderr, /^made/m)
    assert.equal(await again.end(), 0)
    assert.deepEqual(await filesOf('keys', 'keys/tls'), before)
  })

  test('the log is JSON lines on standard output, and with --quiet nothing else is printed', async () => {
    const server = await terminal.serve(['--quiet'])
    await exchange(server, { path: '/v2/example.org/app/_trust/tuf/root.json' })
    assert.equal(await server.end(), 0)
    assert.equal(server.stderr, '')
    assert.deepEqual(
      server.log.map(({ level, msg }) => [level, msg]),
      [
        ['info', 'ready'],
        ['info', 'request refused'],
        ['info', 'stopped'],
      ],
    )
  })

  test('no client can write terminal control characters into the log', async () => {
    const server = await terminal.serve()
    const agent = 'ag\u009b2Jent'
    await exchange(server, { path: '/v2/', headers: { 'User-Agent': agent } })
    assert.equal(await server.end(), 0)
    assert.ok(server.stdout.includes(String.raw`"agent":"ag\u009b2Jent"`), server.stdout)
    assert.doesNotMatch(server.stdout, /[\u0080-\u009f\p{Cf}]/u)
    assert.equal(server.log.find(({ operation }) => operation === 'Ping')?.['agent'], agent)
  })

  test('a server that requires users and has none says how to make the first one', async () => {
    const builtIn = { COUNTERSIGN_ACCESS_MODE: 'built-in' }
    const first = await terminal.serve([], builtIn)
    assert.equal((await terminal.run(['user', 'add', 'alice', '--no-password'])).code, 0)
    await first.end()
    assert.match(first.stderr, /^There are no users yet\. Make one, here: countersign user add /m)
    const second = await terminal.serve([], builtIn)
    await second.end()
    assert.doesNotMatch(second.stderr, /no users/)
  })

  test('a TLS key that everybody can read, as mounted secrets in containers, is used with a warning; that of the CA too', async () => {
    await (await terminal.host()).end()
    for (const name of ['server.key', 'ca.key']) await chmod(terminal.path('keys', 'tls', name), 0o444)
    const server = await terminal.serve(['--quiet'])
    assert.equal(await server.end(), 0)
    const warned = server.log.slice(0, 2).map(({ level, msg, file }) => [level, msg, file])
    assert.deepEqual(warned, [
      ['warn', 'everybody can read the TLS key', 'keys/tls/server.key'],
      ['warn', 'everybody can read the TLS key', 'keys/tls/ca.key'],
    ])
  })

  test('a handshake makes no session tickets unless OpenSSL is configured to', async () => {
    for (const [environment, tickets] of [
      [{}, 0],
      [{ OPENSSL_CONF: '/dev/null' }, 2],
    ] as const) {
      const server = await terminal.serve(['--quiet'], environment)
      assert.equal(await ticketsOf(server), tickets)
      await server.end()
    }
  })

  test('SIGINT stops the server like SIGTERM', async () => {
    const server = await terminal.serve()
    assert.equal(await server.end('SIGINT'), 0)
    assert.equal(server.log.at(-1)?.['msg'], 'stopped')
  })

  test('SIGTERM finishes a running request and accepts no new one', async () => {
    const server = await terminal.serve(['--quiet'])
    const upload = await startUpload(server)
    server.signal('SIGTERM')
    await refusesConnections(server)
    upload.write('0123456789')
    const [answer] = (await once(upload, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /)
    assert.equal(await server.ended(), 0)
    assert.equal(server.log.at(-1)?.['msg'], 'stopped')
  })

  test('a second signal stops the server at once', async () => {
    const server = await terminal.serve(['--quiet'])
    const upload = await startUpload(server)
    server.signal('SIGTERM')
    await refusesConnections(server)
    assert.equal(await server.end('SIGTERM'), 2)
    assert.equal(server.log.at(-1)?.['msg'], 'ready')
    upload.destroy()
  })

  test('an uncaught error is one log line, and ends the server', async () => {
    await writeFile(terminal.path('fault.mjs'), `process.on('SIGUSR2', () => { throw new Error('boom') })`)
    const server = await terminal.serve(['--quiet'], { NODE_OPTIONS: '--import ./fault.mjs' })
    assert.equal(await server.end('SIGUSR2'), 1)
    assert.deepEqual([server.log.at(-1)?.['level'], server.log.at(-1)?.['msg']], ['error', 'fault'])
    assert.match(JSON.stringify(server.log.at(-1)?.['err']), /boom/)
    assert.equal(server.stderr, '')
    // No data is harmed.
    assert.equal((await terminal.run(['check'])).code, 0)
  })
})

/** Starts an upload and returns once the server waits for its body. */
async function startUpload({ port, ca }: Started): Promise<TLSSocket> {
  const socket = connect({ host: 'localhost', port: Number(port), ...(ca === undefined ? {} : { ca }) })
  socket.on('error', () => undefined)
  socket.write(
    'POST /v2/example.org/app/_trust/tuf/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n' +
      'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10\r\n\r\n',
  )
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 100 /)
  return socket
}

/** Returns the number of session tickets that come with one request. */
async function ticketsOf({ port, ca = '' }: Started): Promise<number> {
  const socket = connect({ host: 'localhost', port: Number(port), ca, minVersion: 'TLSv1.3' })
  let tickets = 0
  socket.on('session', () => (tickets += 1))
  socket.end('GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  return tickets
}

async function refusesConnections(server: Started): Promise<void> {
  const open = async (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect({ host: 'localhost', port: Number(server.port), rejectUnauthorized: false })
      socket.on('secureConnect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('secureConnect', () => socket.destroy())
    })
  await until('connections to be refused', async () => !(await open()))
}

async function filesOf(...directories: string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const directory of directories) {
    for (const entry of await readdir(terminal.path(directory), { withFileTypes: true })) {
      if (entry.isFile()) {
        found[`${directory}/${entry.name}`] = await readFile(terminal.path(directory, entry.name), 'base64')
      }
    }
  }
  return found
}
