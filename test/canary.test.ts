import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openKeyFile } from '../src/signing/key-file.ts'
import { exchange } from './support/exchange.ts'
import { Terminal } from './cli/terminal.ts'
import { keysFrom, TrustWorld } from './support/trust-world.ts'

const SECRETS = {
  passphrase: 'canary-of-the-keyring-passphrase',
  root: 'canary-of-the-root-passphrase',
  keyFile: 'canary-of-the-key-file',
  password: 'canary-of-a-password',
  webhook: 'canary-of-the-webhook-secret',
}
const DIGEST = `sha256:${'ab'.repeat(32)}`

/** Returns the bytes of all files below a directory. */
function bytesBelow(directory: string): Buffer[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
}

test("a server's whole life leaves no secret in data, logs, answers, metrics, arguments or variables", async (t) => {
  const terminal = await Terminal.open()
  t.after(() => terminal.close())
  for (const [name, text] of Object.entries(SECRETS)) await writeFile(terminal.path(name), `${text}\n`, { mode: 0o600 })
  const settings = {
    passphraseFile: 'passphrase',
    access: { mode: 'built-in' },
    webhook: { url: 'http://127.0.0.1:9/', secretFile: 'webhook' },
    logLevel: 'debug',
  }
  await writeFile(terminal.path('settings.json'), JSON.stringify(settings))
  terminal.environment['COUNTERSIGN_CONFIG'] = terminal.path('settings.json')
  const server = await terminal.serve()
  const printed: string[] = []
  const type = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, code } = await terminal.run(args)
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    printed.push(stdout, stderr)
    return stdout
  }
  const gun = 'docker.io/acme/canary'
  await type('user', 'add', 'alice', '--allow', 'admin:*', '--password-file', 'password')
  const { token } = JSON.parse(
    (await terminal.run(['token', 'create', 'ci', '--allow', 'sign:*', '--json'])).stdout,
  ) as { token: string }
  await type('repo', 'create', gun, '--passphrase-file', 'root')
  await type('tag', 'sign', gun, 'v1', DIGEST, '5')
  await type('root', 'export', 'root', 'root.key', '--passphrase-file', 'root', '--key-passphrase-file', 'keyFile')
  await type('key', 'rotate', gun, 'timestamp', '--passphrase-file', 'root')
  await type('signer', 'create', 'ci')
  for (const command of ['audit', 'config', 'check', 'expiry', 'root list', 'user list', 'token list'])
    await type(...command.split(' '))
  const basic = (secret: string): string => `Basic ${Buffer.from(`alice:${secret}`).toString('base64')}`
  const answers: string[] = []
  const ask = async (path: string, authorization?: string): Promise<string> => {
    const answer = await exchange(server, { path, headers: authorization === undefined ? {} : { authorization } })
    answers.push(JSON.stringify(answer.headers), answer.body.toString('latin1'))
    return answer.body.toString()
  }
  const scope = `/auth/token?service=countersign&scope=repository:${gun}:pull,push`
  const { token: webToken = '' } = JSON.parse(await ask(scope, basic(SECRETS.password))) as { token?: string }
  assert.notEqual(webToken, '')
  // Only these answers may hold the token that was asked for.
  answers.length = 0
  await ask(scope, basic(`${SECRETS.password}x`))
  await ask(`/v2/${gun}/_trust/tuf/timestamp.json`, `Bearer ${webToken}`)
  await ask(`/v2/${gun}/_trust/tuf/timestamp.json`, `Bearer ${token}`)
  await ask(`/v2/${gun}/_trust/tuf/timestamp.json?token=${token}`)
  await ask(`/v2/${gun}/_trust/tuf/root.json`, `Bearer ${token}x`)
  await ask('/metrics')
  const world = await TrustWorld.create({
    gun: 'docker.io/acme/refused',
    now: Date.now(),
    serverKeys: keysFrom(server, gun),
  }).catch(() => undefined)
  assert.equal(world, undefined)
  const { pid } = JSON.parse(readFileSync('/proc/self/stat', 'utf8').replace(/^(\d+) .*/s, '{"pid":$1}')) as {
    pid: number
  }
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const processes = children.flatMap((child) =>
    ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${child}/${name}`)),
  )
  assert.ok(processes.some((bytes) => bytes.includes('serve')))
  await server.end()

  const pkcs8 = openKeyFile(readFileSync(terminal.path('root.key'), 'utf8'), SECRETS.keyFile)
  const { d = '' } = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
  const canaries = [...Object.values(SECRETS), token.slice(-43), webToken, d].flatMap((text) => [
    Buffer.from(text),
    Buffer.from(Buffer.from(text).toString('base64').slice(0, -4)),
  ])
  canaries.push(Buffer.from(d, 'base64url'), Buffer.from(pkcs8))
  const places: Record<string, Buffer[]> = {
    data: bytesBelow(terminal.path('data')),
    keys: bytesBelow(terminal.path('keys')),
    log: [Buffer.from(server.stdout + server.stderr)],
    printed: [Buffer.from(printed.join('\n'))],
    answers: [Buffer.from(answers.join('\n'), 'latin1')],
    processes,
    'key file': [readFileSync(terminal.path('root.key'))],
  }
  for (const [place, contents] of Object.entries(places)) {
    assert.ok(
      contents.some((bytes) => bytes.length > 0),
      place,
    )
    for (const [index, canary] of canaries.entries()) {
      assert.ok(!contents.some((bytes) => bytes.includes(canary)), `canary ${index} is in ${place}`)
    }
  }
})
