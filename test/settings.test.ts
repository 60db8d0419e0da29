import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { describeSettings, loadSettings } from '../src/settings/load.ts'
import { PUBLIC_ADMIN_WORDS } from '../src/settings/schema.ts'
import { TrustError } from '../src/errors.ts'

const directory = mkdtempSync(join(tmpdir(), 'countersign-config-'))
after(() => rmSync(directory, { recursive: true }))

function fileOf(content: unknown): string {
  const path = join(directory, 'settings.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** Returns the lines of the refusal. */
function mistakes(content: unknown, environment: Record<string, string> = {}): string[] {
  try {
    loadSettings({ file: fileOf(content), environment })
  } catch (error) {
    assert.ok(error instanceof TrustError && error.code === 'BAD_SETTINGS', String(error))
    return error.message.split('\n')
  }
  return assert.fail('nothing was refused')
}

test('the environment overrides the file, which overrides the defaults', () => {
  const file = fileOf({ listen: { port: 5000 }, timestampLifeDays: 7, gunPrefixes: ['docker.io/'] })
  const environment = {
    COUNTERSIGN_LISTEN_PORT: '6000',
    COUNTERSIGN_GUN_PREFIXES: 'a.example/, b.example/',
    OTHER: 'x',
  }
  const settings = loadSettings({ file, environment })
  assert.equal(settings.listen.host, 'localhost')
  assert.equal(settings.listen.port, 6000)
  assert.equal(settings.timestampLifeDays, 7)
  assert.deepEqual(settings.gunPrefixes, ['a.example/', 'b.example/'])
  const rows = new Map(describeSettings({ file, environment }).map((row) => [row.name, row]))
  assert.equal(rows.get('listen.host')?.origin, 'default')
  assert.equal(rows.get('timestampLifeDays')?.origin, 'file')
  assert.deepEqual(
    { ...rows.get('listen.port'), help: '' },
    { name: 'listen.port', environment: 'COUNTERSIGN_LISTEN_PORT', value: 6000, origin: 'environment', help: '' },
  )
})

test("paths in a file are relative to it; the anchor's default place is with the keys", () => {
  const settings = loadSettings({ file: fileOf({ dataDirectory: 'data', keysDirectory: '/keys' }), environment: {} })
  assert.equal(settings.dataDirectory, join(directory, 'data'))
  assert.equal(settings.anchorFile, '/keys/anchor')
  assert.equal(loadSettings({ environment: { COUNTERSIGN_DATA_DIRECTORY: 'there' } }).dataDirectory, 'there')
})

test('behind a proxy, the default keeps idle connections longer than proxies do', () => {
  const kept = (environment: Record<string, string>): number => loadSettings({ environment }).limits.keepAliveSeconds
  const plain = { COUNTERSIGN_LISTEN_PLAIN_HTTP: 'i-know-this-is-not-encrypted' }
  assert.equal(kept({}), 5)
  assert.equal(kept(plain), 125)
  assert.equal(kept({ COUNTERSIGN_LISTEN_TRUSTED_PROXIES: '10.0.0.1' }), 125)
  assert.equal(kept({ ...plain, COUNTERSIGN_LIMITS_KEEP_ALIVE_SECONDS: '5' }), 5)
})

test('all mistakes are reported at once, each by the name as written', () => {
  const found = mistakes(
    { listen: { port: 70_000 }, timestampLifeDays: -1, loglevel: 'info', limits: { parts: 'many' } },
    { COUNTERSIGN_LISTEN_HOST: '', COUNTERSIGN_LOG_LEVEL: 'loud', COUNTERSIGN_DATA_DIR: '/data' },
  ).join('\n')
  for (const text of [
    /^ {2}listen\.port: /m,
    /^ {2}timestampLifeDays: /m,
    /^ {2}loglevel: unknown setting; the nearest is logLevel$/m,
    /^ {2}limits\.parts: /m,
    /^ {2}COUNTERSIGN_LISTEN_HOST: /m,
    /^ {2}COUNTERSIGN_LOG_LEVEL: /m,
    /^ {2}COUNTERSIGN_DATA_DIR: unknown setting; the nearest is COUNTERSIGN_DATA_DIRECTORY$/m,
  ]) {
    assert.match(found, text)
  }
})

test('variables by which Kubernetes tells of a service named countersign are no settings', () => {
  const services = Object.entries({ COUNTERSIGN: 4443, COUNTERSIGN_ADMIN: 4444 }).flatMap(([service, port]) => [
    [`${service}_SERVICE_HOST`, '10.0.0.1'],
    [`${service}_SERVICE_PORT`, `${port}`],
    [`${service}_SERVICE_PORT_HTTPS`, `${port}`],
    [`${service}_PORT`, `tcp://10.0.0.1:${port}`],
    [`${service}_PORT_${port}_TCP`, `tcp://10.0.0.1:${port}`],
    [`${service}_PORT_${port}_TCP_PROTO`, 'tcp'],
    [`${service}_PORT_${port}_TCP_PORT`, `${port}`],
    [`${service}_PORT_${port}_TCP_ADDR`, '10.0.0.1'],
  ])
  const environment = { ...Object.fromEntries(services), COUNTERSIGN_LISTEN_PORT: '5443' } as Record<string, string>
  assert.equal(loadSettings({ environment }).listen.port, 5443)
  assert.match(
    mistakes({}, { ...environment, COUNTERSIGN_SERVICE: 'a' }).join('\n'),
    /^ {2}COUNTERSIGN_SERVICE: unknown/m,
  )
  for (const name of ['COUNTERSIGN_PORT', 'COUNTERSIGN_SERVICE_HOST'])
    assert.match(mistakes({}, { [name]: '5443' }).join('\n'), new RegExp(`^ {2}${name}: unknown setting`, 'm'))
})

test('listening beyond loopback needs authentication or explicit words; plain HTTP always needs such words', () => {
  const [, line = ''] = mistakes({ listen: { host: '0.0.0.0' } })
  assert.match(
    line,
    /not loopback and there is no authentication.*set listen\.withoutAuthentication to "anyone-may-write"$/,
  )
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) {
    assert.equal(loadSettings({ file: fileOf({ listen: { host } }), environment: {} }).listen.host, host)
  }
  mistakes({ listen: { host: '0.0.0.0', withoutAuthentication: 'yes' } })
  mistakes({ listen: { host: '127.0.0.1.example.org' } })
  assert.match(
    mistakes({ listen: { plainHttp: 'true' } }).join('\n'),
    /listen\.plainHttp: .*i-know-this-is-not-encrypted/,
  )
  const words = {
    host: '0.0.0.0',
    withoutAuthentication: 'anyone-may-write',
    plainHttp: 'i-know-this-is-not-encrypted',
  }
  assert.equal(loadSettings({ file: fileOf({ listen: words }), environment: {} }).listen.host, '0.0.0.0')
  const access = { mode: 'built-in', realm: 'https://trust.example.org/auth/token' }
  assert.equal(
    loadSettings({ file: fileOf({ listen: { host: '0.0.0.0' }, access }), environment: {} }).access.mode,
    'built-in',
  )
})

test('a webhook may use plain HTTP only to loopback, by any of its names', () => {
  const ask = (url: string): object => ({ webhook: { url, secretFile: 'secret' } })
  for (const host of ['localhost:9', '127.0.0.1', '[::1]:9']) {
    assert.equal(loadSettings({ file: fileOf(ask(`http://${host}/`)), environment: {} }).webhook.url, `http://${host}/`)
  }
  assert.match(mistakes(ask('http://hooks.example/')).join('\n'), /webhook\.url: must be https/)
})

test('a URL with a password is refused: requests to it would fail, and the log would show it', () => {
  for (const setting of [
    { webhook: { url: 'https://hook:hunter2@hooks.example/', secretFile: 'secret' } },
    { access: { jwksUrl: 'https://hook:hunter2@auth.example/keys' } },
    { access: { realm: 'https://hunter2@auth.example/token' } },
  ]) {
    const [, line = ''] = mistakes(setting)
    assert.match(line, /: must not contain a user name or password$/)
    assert.doesNotMatch(line, /hunter2/)
  }
})

test('the fault of each kind of value is explained in plain words', () => {
  const [, ...lines] = mistakes({
    listen: { port: '4443', host: '' },
    keyAlgorithm: 'rsa',
    threads: 0,
    gunPrefixes: 'docker.io/',
    limits: { parts: 1.5 },
    access: { publicReads: 'yes', tokenLifeSeconds: 5, service: '', clientCertificates: {} },
    cache: null,
    webhook: { url: 'hooks' },
    lisen: {},
    signers: { rules: [{ signer: 'file', rol: 'targets' }] },
  })
  assert.deepEqual(lines.map((line) => line.trim()).toSorted(), [
    'access.clientCertificates.caFile: is missing; it must be text',
    'access.publicReads: must be true or false',
    'access.service: must be 1 to 200 letters, digits, "_", ".", ":", "/" and "-"',
    'access.tokenLifeSeconds: must be 60 or more',
    'cache: must be an object',
    'gunPrefixes: must be a list',
    'keyAlgorithm: must be one of ecdsa, ed25519',
    'limits.parts: must be a whole number',
    'lisen: unknown setting; the nearest is listen',
    'listen.host: must not be empty',
    'listen.port: must be a number',
    'signers.rules.0.rol: unknown setting',
    'threads: must be above 0',
    'webhook.url: must be a URL that begins with https://',
  ])
})

test('a key rule with an invalid pattern is refused', () => {
  const rule = (gun: string): object => ({ signers: { rules: [{ gun, signer: 'file' }] } })
  for (const gun of ['docker.io/acme*', '*/app', 'docker.io/**', 'docker.io/acme/', '/*', ''])
    assert.match(mistakes(rule(gun))[1] ?? '', /^ *signers\.rules\.0\.gun: must look like docker\.io\/acme\/app, /, gun)
  for (const gun of ['*', 'docker.io/acme/*', 'docker.io/acme/app', 'localhost:5000/a', 'a'])
    assert.equal(loadSettings({ file: fileOf(rule(gun)), environment: {} }).signers.rules[0]?.gun, gun)
})

test("an interval beyond Node's timer limit is refused, because the timer would fire at once", () => {
  for (const name of ['renewIntervalSeconds', 'shutdownSeconds'])
    assert.match(mistakes({ [name]: 30 * 86_400 })[1] ?? '', new RegExp(`^ *${name}: must be at most 2000000$`))
  const most = { renewIntervalSeconds: 2_000_000 }
  assert.equal(loadSettings({ file: fileOf(most), environment: {} }).renewIntervalSeconds, 2_000_000)
})

test('more bytes than threads can count together are refused', () => {
  assert.match(
    mistakes({ limits: { parkedBytes: 2 ** 31 } })[1] ?? '',
    /^ *limits\.parkedBytes: must be at most 1000000000$/,
  )
})

test('a trusted proxy that is not an address or network is refused', () => {
  const proxies = (text: string): object => ({ listen: { trustedProxies: [text] } })
  for (const text of ['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', 'fd00::/129', '10.0.0.0/8/8', '*', ''])
    assert.match(
      mistakes(proxies(text))[1] ?? '',
      /^ *listen\.trustedProxies\.0: must be an address, or a network /,
      text,
    )
  for (const text of ['10.0.0.7', '10.0.0.0/8', '0.0.0.0/0', '::1', 'fd00::/128'])
    assert.deepEqual(loadSettings({ file: fileOf(proxies(text)), environment: {} }).listen.trustedProxies, [text])
})

test('settings that exclude each other are refused, so that none is silently ignored', () => {
  const token = { library: 'token.so', pinFile: 'pin' }
  for (const [settings, line] of [
    [{ admin: { public: PUBLIC_ADMIN_WORDS }, threads: 2 }, /^ *threads: the admin API on the public listener /],
    [{ signers: { rules: [{ signer: 'pkcs11' }] } }, /^ *signers\.rules: there is a rule for pkcs11, but no /],
    [{ signers: { pkcs11: token } }, /^ *signers\.pkcs11\.tokenLabel and signers\.pkcs11\.slot: give one /],
    [
      { signers: { pkcs11: { ...token, tokenLabel: 'a', slot: 0 } } },
      /^ *signers\.pkcs11\.tokenLabel and .*: give one /,
    ],
  ] as const) {
    assert.match(mistakes(settings)[1] ?? '', line)
  }
})

test('a prefix without a final slash, or one that matches nothing, is refused', () => {
  for (const text of ['docker.io/acme', '/acme/', '../acme/', '']) {
    assert.match(mistakes({ gunPrefixes: [text] })[1] ?? '', /^ *gunPrefixes\.0: must end in "\/" /, text)
  }
})

test('an empty number is refused and not read as 0, which would be any port', () => {
  for (const text of ['', ' ']) {
    assert.match(
      mistakes({}, { COUNTERSIGN_LISTEN_PORT: text })[1] ?? '',
      /^ *COUNTERSIGN_LISTEN_PORT: must be a number$/,
    )
  }
})

test('certificate names are checked', () => {
  const names = (text: string): object => ({ tls: { names: [text] } })
  for (const text of [
    'https://trust.example',
    'trust.example:4443',
    'a..b',
    '.a',
    'a.',
    '*',
    'a.*.b',
    '',
    'trüst.example',
    'fe80::1%eth0',
    '::ffff:192.0.2.7',
  ])
    assert.match(mistakes(names(text))[1] ?? '', /^ *tls\.names\.0: must be a name or an address, /, text)
  for (const text of ['trust.example.com', '*.example.com', 'trust', 'my_host', '192.0.2.7', '2001:db8::7'])
    assert.deepEqual(loadSettings({ file: fileOf(names(text)), environment: {} }).tls.names, [text])
  const both = { tls: { certificateFile: 'a', keyFile: 'b', names: ['trust.example'] } }
  assert.match(mistakes(both)[1] ?? '', /tls\.names: only for the certificate that the server makes/)
})

test('half a TLS identity and a malformed or missing file are refused', () => {
  assert.match(mistakes({ tls: { keyFile: 'key.pem' } }).join('\n'), /give both or neither/)
  assert.match(mistakes('{').join(''), /cannot read the settings file/)
  // Some other file, such as one with a passphrase, must not be quoted.
  for (const other of ['[]', 'correct horse', '', '"correct horse"'])
    assert.match(mistakes(other).join('\n'), /^the settings file \S+ must hold a JSON object$/)
  assert.throws(() => loadSettings({ file: join(directory, 'missing.json'), environment: {} }), {
    code: 'BAD_SETTINGS',
  })
  assert.throws(() => loadSettings({ environment: { COUNTERSIGN_CONFIG: '/nowhere' } }), { code: 'BAD_SETTINGS' })
  assert.throws(() => loadSettings({ file: directory, environment: {} }), { message: /: EISDIR: [a-z ]+$/ })
})

test('a repeated member is refused, because all but the last would be silently ignored', () => {
  const twice =
    '{"access":{"mode":"built-in"},"listen":{"port":1,"port":2},"access":{"publicReads":true},"lis\\u0074en":{}}'
  assert.deepEqual(
    mistakes(twice).slice(1),
    ['listen.port', 'access', 'listen'].map((name) => `  ${name}: is in the file more than once`),
  )
  const rules = '{"signers":{"rules":[{"role":"*","signer":"file"},{"signer":"file","signer":"file"}]}}'
  assert.deepEqual(mistakes(rules).slice(1), ['  signers.rules.signer: is in the file more than once'])
  const once = {
    file: fileOf('{"tls":{"names":["a","a"]},"webhook":{"url":"https://x/{\\"url\\":"}}'),
    environment: {},
  }
  assert.throws(() => loadSettings(once), { message: /^(?!.*more than once)/s })
})

test("an empty path is refused in the file as in the environment, not read as the file's directory", () => {
  for (const name of ['dataDirectory', 'passphraseFile', 'anchorFile']) {
    assert.deepEqual(mistakes({ [name]: '' }).slice(1), [`  ${name}: must not be empty`])
  }
  assert.throws(() => loadSettings({ environment: { COUNTERSIGN_CONFIG: '' } }), { message: /COUNTERSIGN_CONFIG/ })
})

test('a byte order mark is accepted; a value in place of a group is refused', () => {
  assert.equal(loadSettings({ file: fileOf('\uFEFF{"listen":{"port":5}}'), environment: {} }).listen.port, 5)
  for (const listen of ['x', 5, ['x']]) {
    assert.deepEqual(mistakes({ listen }, { COUNTERSIGN_LISTEN_PORT: '5' }).slice(1), ['  listen: must be an object'])
  }
})
