import assert from 'node:assert/strict'
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { issueCertificate } from '../support/certificate.ts'
import { READ_ONLY, skipReadOnly } from '../support/read-only.ts'
import { COMMAND } from '../support/server-process.ts'
import { Terminal } from './terminal.ts'

/** What prevents a start, and its message and hint. No refusal changes anything. */
describe('a start is refused', () => {
  let terminal: Terminal

  before(async () => {
    terminal = await Terminal.open()
    await (await terminal.host()).end()
  })

  after(() => terminal.close())

  async function refuses(expected: RegExp, environment: Record<string, string> = {}): Promise<void> {
    const { code, stdout, stderr } = await terminal.run(['serve'], environment)
    assert.match(stderr, expected)
    assert.doesNotMatch(stderr, /\n\s+at /, 'a stack')
    assert.deepEqual([code, stdout], [2, ''])
  }

  /** Starts without a process of its own, because all refusals are printed alike. */
  async function refusesHere(expected: RegExp, environment: Record<string, string> = {}): Promise<void> {
    assert.match(await terminal.refusal(environment), expected)
  }

  /** Runs the action while these files are removed. */
  async function without(paths: readonly string[], action: () => Promise<void>): Promise<void> {
    const kept = new Map<string, Buffer>()
    for (const path of paths) kept.set(path, await readFile(terminal.path(path)))
    for (const path of paths) await rm(terminal.path(path))
    await action()
    for (const [path, bytes] of kept) await writeFile(terminal.path(path), bytes, { mode: 0o600 })
  }

  /** Runs a command bound by file permissions, even as root, who loses that privilege. @returns standard error */
  async function powerless(args: readonly string[], environment: Record<string, string> = {}): Promise<string> {
    const root = process.getuid?.() === 0
    const typed = [...(root ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : []), COMMAND, ...args]
    const options = { cwd: terminal.directory, env: { ...terminal.environment, ...environment } }
    const { status, stdout, stderr } = spawnSync(typed[0] ?? '', typed.slice(1), { ...options, encoding: 'utf8' })
    assert.deepEqual([status, stdout], [2, ''])
    return stderr
  }

  test('because another process uses the data', async () => {
    const server = await terminal.host()
    await refuses(/^error: another process uses the database in data\nhint: stop the other countersign process, /)
    await server.end()
  })

  test('because the port is in use', async () => {
    const other = createServer().listen(0, 'localhost')
    await once(other, 'listening')
    const port = String((other.address() as AddressInfo).port)
    await refusesHere(
      new RegExp(
        `^error: cannot listen on localhost:${port}: something else is already listening there\nhint: set listen.host`,
      ),
      { COUNTERSIGN_LISTEN_PORT: port },
    )
    other.close()
  })

  test('because the address cannot be listened on, in words', async () => {
    const words = { COUNTERSIGN_LISTEN_WITHOUT_AUTHENTICATION: 'anyone-may-write' }
    for (const [host, reason] of [
      // Reserved for documentation by RFC 5737, and a name that never resolves by RFC 6761.
      ['192.0.2.1', 'no interface of this machine has that address'],
      ['name.invalid', 'that name (?:has no address|cannot be resolved)'],
    ] as const) {
      await refusesHere(
        new RegExp(`^error: cannot listen on ${host}:0: ${reason}\nhint: .*COUNTERSIGN_LISTEN_HOST, `),
        {
          ...words,
          COUNTERSIGN_LISTEN_HOST: host,
        },
      )
    }
  })

  test('with several mistakes in the settings, naming all', async () => {
    await refuses(
      /^error: the settings are not valid:\n {2}COUNTERSIGN_LISTEN_PRT: .*COUNTERSIGN_LISTEN_PORT\n {2}COUNTERSIGN_SHUTDOWN_SECONDS: .*\nhint: "countersign config"/,
      { COUNTERSIGN_LISTEN_PRT: '1', COUNTERSIGN_SHUTDOWN_SECONDS: 'soon' },
    )
  })

  for (const text of ['{', '[]', '{ "listen": { "port": 4443, } }']) {
    test(`with a settings file that is not a JSON object: ${text}`, async () => {
      await writeFile(terminal.path('settings.json'), text)
      await refusesHere(/^error: .* settings file settings\.json.*\nhint: write it like \{ /, {
        COUNTERSIGN_CONFIG: 'settings.json',
      })
    })
  }

  test('with a webhook secret that is readable by others, missing or too short', async () => {
    const webhook = (secretFile: string): Record<string, string> => ({
      COUNTERSIGN_WEBHOOK_URL: 'https://hooks.example/expiry',
      COUNTERSIGN_WEBHOOK_SECRET_FILE: secretFile,
    })
    await writeFile(terminal.path('the hook'), 'a secret that others can read\n', { mode: 0o640 })
    await refuses(/^error: the hook can be read by others\nhint: chmod 600 'the hook'\n/, webhook('the hook'))
    await refusesHere(
      /^error: cannot read nowhere: ENOENT: .*\nhint: check the setting webhook\.secretFile\n/,
      webhook('nowhere'),
    )
    await writeFile(terminal.path('short'), 'a secret\n', { mode: 0o600 })
    await refusesHere(/^error: short needs a secret of at least 16 characters\nhint: "openssl rand /, webhook('short'))
  })

  test('with a TLS key of another certificate', async () => {
    const files = {
      COUNTERSIGN_TLS_CERTIFICATE_FILE: 'keys/tls/server.crt',
      COUNTERSIGN_TLS_KEY_FILE: 'keys/tls/ca.key',
    }
    await refusesHere(
      /^error: the key in keys\/tls\/ca\.key does not belong to the certificate .*\nhint: .* first/,
      files,
    )
    await refusesHere(/^error: cannot read nowhere\.key: ENOENT: .*\nhint: check the settings tls/, {
      ...files,
      COUNTERSIGN_TLS_KEY_FILE: 'nowhere.key',
    })
  })

  test('with an encrypted TLS key, or key and certificate swapped', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const cipher = { cipher: 'aes-256-cbc', passphrase: 'a passphrase' }
    await writeFile(terminal.path('a sealed.key'), privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }))
    const files = (certificate: string, key: string): Record<string, string> => ({
      COUNTERSIGN_TLS_CERTIFICATE_FILE: certificate,
      COUNTERSIGN_TLS_KEY_FILE: key,
    })
    await refusesHere(
      /^error: a sealed\.key is not an unencrypted PEM private key\nhint: .*: openssl pkey -in 'a sealed\.key' -out FILE\n/,
      files('keys/tls/server.crt', 'a sealed.key'),
    )
    await refusesHere(
      /^error: keys\/tls\/server\.key is not a PEM certificate, or is damaged\nhint: check the settings tls\.certif/,
      files('keys/tls/server.key', 'keys/tls/server.crt'),
    )
  })

  test('with a TLS certificate whose key is too short for OpenSSL', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const [notBefore, notAfter] = [Date.now() - 60_000, Date.now() + 60_000]
    const wish = { commonName: 'localhost', publicKey, signer: privateKey, notBefore, notAfter, hosts: ['localhost'] }
    await writeFile(terminal.path('weak.crt'), issueCertificate(wish))
    await writeFile(terminal.path('weak.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await refuses(
      /^error: OpenSSL refuses the certificate in weak\.crt: .*too small\nhint: have it reissued for a longer key/,
      {
        COUNTERSIGN_TLS_CERTIFICATE_FILE: 'weak.crt',
        COUNTERSIGN_TLS_KEY_FILE: 'weak.key',
      },
    )
  })

  test("when a certificate must be made and the CA's key was removed", async () => {
    await without(['keys/tls/server.crt', 'keys/tls/ca.key'], () =>
      refusesHere(
        /^error: cannot read keys\/tls\/ca\.key: ENOENT: .*\nhint: put it back; or remove keys\/tls\/ca\.crt: /,
      ),
    )
  })

  test('with directories that cannot be made', async () => {
    await writeFile(terminal.path('file'), '')
    const elsewhere = { COUNTERSIGN_DATA_DIRECTORY: 'd', COUNTERSIGN_KEYS_DIRECTORY: 'k' }
    await refusesHere(
      /^error: cannot create the directory file\/k: ENOTDIR: .*\nhint: check the setting keysDirectory\n$/,
      {
        ...elsewhere,
        COUNTERSIGN_KEYS_DIRECTORY: 'file/k',
      },
    )
    await refusesHere(
      /^error: cannot create the directory file\/d: ENOTDIR: .*\nhint: check the setting dataDirectory\n$/,
      {
        ...elsewhere,
        COUNTERSIGN_DATA_DIRECTORY: 'file/d',
      },
    )
    await refusesHere(
      /^error: cannot create the anchor file no\/anchor: ENOENT: .*\nhint: check the setting anchorFile\n$/,
      {
        ...elsewhere,
        COUNTERSIGN_ANCHOR_FILE: 'no/anchor',
      },
    )
  })

  test('where the files belong to another user', async () => {
    const owner = 'run this as the user who owns that place (sudo -u USER …), or make this user its owner'
    const denied = (what: string): string => `error: ${what}: EACCES: permission denied\nhint: ${owner}\n`
    await writeFile(terminal.path('private.json'), '{}', { mode: 0 })
    await mkdir(terminal.path('of-root'), { mode: 0o500 })
    await chmod(terminal.path('keys'), 0)
    try {
      for (const args of [['serve'], ['check'], ['repo', 'list']])
        assert.equal((await powerless(args)).replace(/keys\/[\w.]+/, 'keys/…'), denied('cannot look at keys/…'))
      assert.equal(
        await powerless(['check', '--config', 'private.json']),
        denied('cannot read the settings file private.json'),
      )
      // Such as a colleague's key, where a wrapper runs each command as the server's user.
      assert.equal(
        await powerless(['root', 'sign', 'private.json', '--key', 'root.key']),
        'error: cannot read private.json: EACCES: permission denied\n' +
          'hint: the user that this runs as must be able to read the file, and to enter the directories above it\n',
      )
      const elsewhere = { COUNTERSIGN_KEYS_DIRECTORY: 'of-root', COUNTERSIGN_DATA_DIRECTORY: 'd' }
      assert.equal(await powerless(['serve'], elsewhere), denied('cannot write of-root/key-encryption-key'))
    } finally {
      await chmod(terminal.path('keys'), 0o700)
    }
  })

  test('where the anchor cannot be written, without advice to restore it', { skip: skipReadOnly }, () => {
    for (const args of [['serve'], ['check']]) {
      const { status, stdout, stderr } = spawnSync('unshare', [...READ_ONLY, 'keys', COMMAND, ...args], {
        cwd: terminal.directory,
        env: terminal.environment,
        encoding: 'utf8',
      })
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, /^error: cannot open the anchor file keys\/anchor: EROFS: .*\nhint: .* set anchorFile$/m)
    }
  })

  test('with a passphrase while the keyring is under a key file', async () => {
    await writeFile(terminal.path('passphrase'), 'correct horse\n', { mode: 0o600 })
    await refusesHere(
      /^error: the keyring is protected by a key file, and this is not one\nhint: unset passphraseFile/,
      {
        COUNTERSIGN_PASSPHRASE_FILE: 'passphrase',
      },
    )
  })

  test('with a secret that others can read', async () => {
    for (const name of ['key-encryption-key', 'keyring.json', 'anchor-key']) {
      await chmod(terminal.path('keys', name), 0o640)
      await refusesHere(new RegExp(`^error: keys/${name} can be read by others\nhint: chmod 600 keys/${name}`))
      await chmod(terminal.path('keys', name), 0o600)
    }
  })

  test('with data but no keys', async () => {
    await without(['keys/keyring.json'], () =>
      refuses(/^error: there is a store in data, but no keyring in keys\nhint: restore the keys directory/),
    )
  })

  test('with a path that cannot be examined, which does not count as missing', async () => {
    await symlink('loop', terminal.path('loop'))
    for (const setting of ['KEYS_DIRECTORY', 'DATA_DIRECTORY', 'ANCHOR_FILE']) {
      await refusesHere(/^error: cannot look at loop\S*: ELOOP: .*\nhint: check the settings/, {
        [`COUNTERSIGN_${setting}`]: 'loop',
      })
    }
  })

  test('with an anchor but no data', async () => {
    await refusesHere(
      /^error: there is an anchor in keys\/anchor, but no database in elsewhere\nhint: .*dataDirectory/,
      {
        COUNTERSIGN_DATA_DIRECTORY: 'elsewhere',
      },
    )
    await assert.rejects(readdir(terminal.path('elsewhere')), { code: 'ENOENT' })
  })

  test('with the anchor of another server', async () => {
    const expected =
      /^error: there is an anchor in keys\/anchor, but neither a database in new-data nor a keyring in new-keys\nhint: if this is a new server, set anchorFile /
    await refusesHere(expected, {
      COUNTERSIGN_DATA_DIRECTORY: 'new-data',
      COUNTERSIGN_KEYS_DIRECTORY: 'new-keys',
      COUNTERSIGN_ANCHOR_FILE: 'keys/anchor',
    })
    for (const name of ['new-data', 'new-keys']) await assert.rejects(readdir(terminal.path(name)), { code: 'ENOENT' })
  })

  test('with a database without its CURRENT file, even without an anchor: LevelDB would delete the rest', async () => {
    const tables = async (): Promise<string[]> =>
      (await readdir(terminal.path('data'))).filter((name) => /\.(?:ldb|log)$/.test(name))
    const before = await tables()
    await without(['data/CURRENT', 'keys/anchor'], () =>
      refuses(/^error: the database in data has lost its CURRENT file\nhint: try "countersign repair DIRECTORY"/),
    )
    assert.deepEqual(await tables(), before)
    // The refused start had made an empty anchor, which counts as none.
    await (await terminal.host()).end()
  })

  test('where the file size limit is too low, which is not reported as damage', () => {
    const { status, stderr } = spawnSync('prlimit', ['--fsize=40', COMMAND, 'serve'], {
      env: terminal.environment,
      cwd: terminal.directory,
      encoding: 'utf8',
    })
    assert.equal(status, 2)
    assert.match(
      stderr,
      /^error: the database in data cannot be opened: .*File too large\nhint: the data is not at fault/,
    )
  })

  test("with a data directory that makes the control socket's path too long", async () => {
    await refusesHere(
      /^error: the path of the control socket is too long: d+\/control\.sock\nhint: choose a shorter dataDirectory/,
      { COUNTERSIGN_DATA_DIRECTORY: 'd'.repeat(100), COUNTERSIGN_KEYS_DIRECTORY: 'other-keys' },
    )
  })

  test("by root on another user's data, as any command is: root's files would stop that user's server", async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can be root')
    await chown(terminal.path('data', 'CURRENT'), 1, 1)
    await writeFile(terminal.path('secret'), 'correct horse battery staple\n', { mode: 0o600 })
    for (const command of ['check', 'serve', 'repair copy', 'key rekey --new-passphrase-file secret']) {
      const { code, stderr } = await terminal.run(command.split(' '))
      assert.match(stderr, /^error: the database in data belongs to user id 1, not to root\nhint: .* sudo -u '#1'/)
      assert.equal(code, 2)
    }
    await chown(terminal.path('data', 'CURRENT'), 0, 0)
  })

  test('and nothing has changed', async () => {
    const { code, stdout } = await terminal.run(['check'])
    assert.deepEqual([code, stdout], [0, '0 repositories, 0 commits, 1 record: sound\n'])
  })
})
