import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { parseSignerRows } from '../../src/cli/key/signer-database.ts'
import { exchange, type Endpoint } from '../support/exchange.ts'
import { makeKey, makeRootKey, type TestKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'
import { Terminal, type Printed, type Started } from './terminal.ts'

interface Recorded {
  readonly keyId: string
  readonly role: 'timestamp' | 'snapshot'
  readonly gun: string
  readonly algorithm: string
  readonly public: string
  readonly jwe: string
  readonly passphrase: string
}

interface Vector {
  readonly name: string
  readonly pem: string
  readonly jwe: string
  readonly passphrase?: string
  readonly keyId: string
}

const vectorFile = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))
/** Keys as stored in a Go signer's database. */
const recorded = vectorFile('notary-captures/58-replayable-ecdsa-signer.keys.json') as Recorded[]
const { keys: vectors } = vectorFile('crypto-vectors.json') as { keys: Vector[] }
const GUN = recorded[0]?.gun ?? ''

function vector(name: string): Vector {
  const found = vectors.find((each) => each.name === name)
  assert.ok(found !== undefined)
  return found
}

/** Returns a row as `row_to_json` writes it, with the columns that import ignores. */
function rowOf({ keyId, algorithm, gun, role, jwe }: Omit<Recorded, 'passphrase' | 'public'>): object {
  return { id: 1, key_id: keyId, algorithm, passphrase_alias: 'passalias_v1', gun, role, private: jwe, last_used: null }
}

/** Returns a client's key file as its owner hands it over. */
function keyFileOf(key: TestKey, headers: string, passphrase?: string): string {
  const options = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }
  const pem = key.privateKey.export({ type: 'pkcs8', format: 'pem', ...options }).toString()
  return pem.replace('-----\n', `-----\n${headers}\n\n`)
}

describe('countersign key import', () => {
  let terminal: Terminal
  /** Only the first server is a process, for its log; later ones only have to answer. */
  let started: Started
  let server: Endpoint

  before(async () => {
    terminal = await Terminal.open()
    server = started = await terminal.serve(['--quiet'])
    await writeFile(terminal.path('passphrase'), `${recorded[0]?.passphrase}\n`, { mode: 0o600 })
    await writeFile(terminal.path('wrong'), 'not the passphrase\n', { mode: 0o600 })
  })

  after(() => terminal.close())

  const fromDatabase = (file: string, ...more: string[]): Promise<Printed> =>
    terminal.run(['key', 'import', '--signer-database', file, '--passphrase-file', 'passphrase', ...more])
  const rowFor = (role: string): Recorded => {
    const found = recorded.find((each) => each.role === role)
    assert.ok(found !== undefined)
    return found
  }
  const table = (...results: string[]): string => {
    const width = Math.max(...recorded.map(({ keyId }) => keyId.length))
    const lines = recorded.map(({ gun, role, keyId }, index) =>
      [gun, role.padEnd(9), keyId.padEnd(width), results[index] ?? ''].join('  '),
    )
    const head = ['REPOSITORY'.padEnd(GUN.length), 'ROLE     ', 'KEY ID'.padEnd(width), 'RESULT'].join('  ')
    return `${[head, ...lines].join('\n')}\n`
  }

  test("rows of a Go signer's database are announced, imported, and not imported twice", async () => {
    await writeFile(terminal.path('rows.json'), recorded.map((row) => `${JSON.stringify(rowOf(row))}\n`).join(''))
    const all = (text: string): string => table(...recorded.map(() => text))
    const count = `${recorded.length} keys, none refused\n`
    const before = await terminal.run(['key', 'list', GUN])
    assert.equal(before.code, 1)

    const dry = await fromDatabase('rows.json', '--dry-run')
    assert.deepEqual(
      [dry.code, dry.stdout, dry.stderr],
      [0, all('would be imported, no metadata names it') + count, ''],
    )
    assert.deepEqual(await terminal.run(['key', 'list', GUN]), before)

    const done = await fromDatabase('rows.json')
    assert.deepEqual([done.code, done.stdout], [0, all('imported, no metadata names it') + count])
    const again = await fromDatabase('rows.json')
    assert.deepEqual([again.code, again.stdout], [0, all('here already, no metadata names it') + count])
    const { stdout } = await terminal.run(['key', 'list', GUN, '--json'])
    const keys = JSON.parse(stdout) as { keyId: string; pending: boolean }[]
    assert.deepEqual(
      keys.map(({ keyId }) => keyId).toSorted(byText),
      recorded.map(({ keyId }) => keyId).toSorted(byText),
    )
    assert.ok(keys.every(({ pending }) => !pending))
  })

  test('imported keys sign for a root that names them, and are never handed out as new ones', async () => {
    const timestamp = rowFor('timestamp')
    const offered = await keysFrom(server, GUN)('timestamp', 'current')
    assert.ok(recorded.every((row) => row.public !== offered.keyval.public))
    const world = await TrustWorld.create({ gun: GUN, now: Date.now(), serverKeys: keysFrom(server, GUN) })
    for (const { role, algorithm, public: text } of [timestamp, rowFor('snapshot')]) {
      world.nameServerKey(role, { keytype: algorithm, keyval: { private: null, public: text } })
    }
    await world.publishFirst(server)
    const { body } = await exchange(server, { path: tufPath(GUN, 'timestamp.json') })
    const { signatures } = JSON.parse(body.toString()) as { signatures: { keyid: string }[] }
    assert.deepEqual(
      signatures.map(({ keyid }) => keyid),
      [timestamp.keyId],
    )
    assert.equal((await keysFrom(server, GUN)('timestamp', 'current')).keyval.public, timestamp.public)
    assert.equal((await keysFrom(server, GUN)('timestamp', 'next')).keyval.public, offered.keyval.public)
    const { stdout } = await fromDatabase('rows.json')
    assert.match(stdout, new RegExp(`timestamp +${timestamp.keyId} +here already, in use\n`))
    assert.match(await terminal.checked(), /: sound\n$/)
  })

  test('a refused row says why and does not stop the others', async () => {
    const ed25519 = vector('ed25519 key signer-db JWE')
    await writeFile(terminal.path('vector'), ed25519.passphrase ?? '', { mode: 0o600 })
    const good = {
      keyId: ed25519.keyId,
      algorithm: 'ed25519',
      gun: 'example.org/rows',
      role: 'snapshot',
      jwe: ed25519.jwe,
    }
    const rows = [
      { ...good, algorithm: 'ecdsa' },
      { ...good, algorithm: 'rsa' },
      { ...good, gun: '' },
      { ...good, role: 'root' },
      { ...good, role: 'nobody' },
      { ...good, keyId: '0'.repeat(64) },
      { ...good, jwe: 'a.b.c.d.e' },
      { ...good, jwe: ed25519.jwe.replace(/\.(.)/, (_, first: string) => (first === 'A' ? '.B' : '.A')) },
      good,
      { ...good, role: 'timestamp' },
    ] as unknown as Recorded[]
    await writeFile(terminal.path('mixed.json'), rows.map((row) => JSON.stringify(rowOf(row))).join('\n'))
    const args = ['key', 'import', '--signer-database', 'mixed.json', '--passphrase-file', 'vector', '--json']
    const { code, stdout } = await terminal.run(args)
    assert.equal(code, 1)
    const outcomes = JSON.parse(stdout) as { result: string; error: string | null; keyId: string }[]
    assert.deepEqual(
      outcomes.map(({ result, error }) => error ?? result),
      [
        'it holds no key of type ecdsa',
        'it holds no key of type rsa',
        'invalid repository name: it is empty',
        'a root key is not kept with the keys that the server signs with',
        '"nobody" is not a role',
        `the private key belongs to key ${ed25519.keyId}`,
        "it is not a key of Notary's signer",
        'the passphrase does not open it',
        'imported',
        `the key ${ed25519.keyId} is already here, as the snapshot key of example.org/rows`,
      ],
    )
    for (const secret of [ed25519.passphrase ?? 'none', ed25519.jwe])
      assert.ok(!stdout.includes(secret) && !started.stdout.includes(secret))
  })

  test('a stopped server takes rows as CSV, with bytes in hex, or with tabs', async () => {
    await started.end()
    const ecdsa = vector('ecdsa P-256 targets key signer-db JWE')
    await writeFile(terminal.path('vector'), ecdsa.passphrase ?? '', { mode: 0o600 })
    const hex = Buffer.from(ecdsa.jwe).toString('hex')
    // As PostgreSQL and MySQL write them.
    const lines = [`\\x${hex}`, `0x${hex.toUpperCase()}`].map(
      (bytes) => `,timestamp,"example.org/a,""b""",${ecdsa.keyId},${bytes},ecdsa,`,
    )
    lines.unshift('deleted_at,role,gun,key_id,private,algorithm,last_used')
    // With a byte order mark, as from some spreadsheets.
    await writeFile(terminal.path('rows.csv'), `\uFEFF${lines.join('\r\n')}`)
    const args = ['key', 'import', '--signer-database', 'rows.csv', '--passphrase-file', 'vector', '--json']
    const { stdout } = await terminal.run(args)
    const outcome = { gun: 'example.org/a,"b"', role: 'timestamp', keyId: ecdsa.keyId, named: 'none', error: null }
    assert.deepEqual(JSON.parse(stdout), [
      { ...outcome, result: 'imported' },
      { ...outcome, result: 'present' },
    ])
    // As `mysql` writes them to a file.
    const cells = [['gun', 'role', 'deleted_at', 'private', 'key_id', 'algorithm']]
    cells.push(...recorded.map((row) => [row.gun, row.role, 'NULL', row.jwe, row.keyId, row.algorithm]))
    await writeFile(terminal.path('rows.tsv'), cells.map((line) => `${line.join('\t')}\n`).join(''))
    const tabs = await fromDatabase('rows.tsv')
    assert.deepEqual([tabs.code, tabs.stderr], [0, ''])
    assert.ok(tabs.stdout.endsWith(`\n${recorded.length} keys, none refused\n`))
    assert.match(await terminal.checked(), /: sound\n$/)
    for (const [content, text] of [
      ['{"key_id": "a"}\n', 'line 1 lacks algorithm, gun, role, private'],
      [`${JSON.stringify(rowOf(rowFor('timestamp')))}\n\n{"private": "eyJ`, 'line 3 is not a JSON object'],
      ['gun,role\na,b\n', 'it is not an export: its first line .* does not name key_id, algorithm, gun, role, private'],
      ['key_id,algorithm,gun,role,private\na,b\n', 'line 2 lacks gun, role, private'],
      ['key_id\talgorithm\tgun\trole\tprivate\na\tb\n', 'line 2 lacks gun, role, private'],
      // The result of a failed export.
      ['', 'it has no rows'],
      ['\n', 'it has no rows'],
      ['key_id,algorithm,gun,role,private\n', 'it has no rows, only column names'],
      ['psql: error: connection to server failed: FATAL\n', 'it is not an export: .*'],
    ] as const) {
      const hint = 'docs/CUSTODY.md has the statements that export the rows'
      assert.throws(() => parseSignerRows(content), { name: 'TrustError', message: new RegExp(`^${text}$`), hint })
    }
    assert.equal(parseSignerRows(`\uFEFF${JSON.stringify(rowOf(rowFor('timestamp')))}`).length, 1)
    await writeFile(terminal.path('bad'), '\n')
    const bad = await fromDatabase('bad')
    assert.deepEqual([bad.code, bad.stdout], [2, ''])
    assert.match(bad.stderr, /^error: it has no rows\nhint: docs\/CUSTODY\.md /)
    server = await terminal.host()
  })

  test("after the import of a client's key files, the server signs with them", async () => {
    const gun = 'localhost:5000/files'
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
    await world.publishFirst(server)
    const sealed = keyFileOf(keyOf(world, 'targets'), `gun: ${gun}\nrole: targets`, 'correct horse')
    await writeFile(terminal.path('targets.key'), sealed)
    await writeFile(terminal.path('snapshot.key'), keyFileOf(keyOf(world, 'snapshot'), `gun: ${gun}\nrole: snapshot`))
    await writeFile(terminal.path('file-passphrase'), 'correct horse\n')

    const targets = ['key', 'import', gun, 'targets', '--file', 'targets.key', '--passphrase-file']
    const wrong = await terminal.run([...targets, 'wrong'])
    assert.equal(wrong.code, 1)
    assert.match(
      wrong.stdout,
      /refused\n1 key, 1 refused\nerror: .* targets: the passphrase does not open the key file, or the file cannot be read\n$/,
    )
    await writeFile(terminal.path('empty'), '')
    for (const file of ['empty', 'keys/tls/ca.crt']) {
      const { stdout } = await terminal.run(['key', 'import', gun, 'targets', '--file', file])
      assert.match(stdout, /refused\n1 key, 1 refused\nerror: .* targets: the key file holds no private key\n$/)
    }
    const root = await terminal.run(['key', 'import', gun, 'root', '--file', 'snapshot.key'])
    assert.match(
      root.stdout,
      /\n1 key, 1 refused\nerror: .*\nhint: it has a passphrase of its own: see "countersign root --help"\n$/,
    )
    const swapped = await terminal.run(['key', 'import', gun, 'timestamp', '--file', 'snapshot.key'])
    assert.match(
      swapped.stdout,
      /^error: \S+ timestamp: the file says that it is the snapshot key of localhost:5000\/files$/m,
    )
    const { stdout } = await terminal.run([...targets, 'file-passphrase'])
    assert.match(
      stdout,
      new RegExp(
        `^REPOSITORY +ROLE +KEY ID +RESULT\n${gun}  targets  ${keyOf(world, 'targets').id}  imported, in use\n1 key, none refused\n$`,
      ),
    )
    assert.match(
      (await terminal.run(['key', 'import', gun, 'snapshot', '--file', 'snapshot.key'])).stdout,
      /imported, in use/,
    )

    // The publisher no longer signs the snapshot: the server does, with the imported key.
    const parts = world.nextParts('targets').filter(({ role }) => role === 'targets')
    await world.send(server, parts)
    const { body } = await exchange(server, { path: tufPath(gun, 'snapshot.json') })
    const { signed, signatures } = JSON.parse(body.toString()) as {
      signed: { version: number }
      signatures: { keyid: string }[]
    }
    assert.deepEqual([signed.version, signatures.map(({ keyid }) => keyid)], [2, [keyOf(world, 'snapshot').id]])
    assert.match(await terminal.checked(), /: sound\n$/)
  })

  test('no passphrase is asked for if the name, the role or the names in the file are wrong', async () => {
    const file = keyFileOf(makeKey('ecdsa'), 'gun: example.com/app\nrole: targets', 'correct horse')
    await writeFile(terminal.path('closed.key'), file)
    for (const [gun, role, refusal] of [
      ['../app', 'targets', 'invalid repository name: '],
      ['example.com/app', 'root', 'a root key is not kept with the keys that the server signs with'],
      ['example.com/app', 'owner', 'is not a role'],
      ['example.com/app', 'snapshot', 'the file says that it is the targets key of example.com/app'],
    ] as const) {
      const { code, stdout, stderr } = await terminal.run(['key', 'import', gun, role, '--file', 'closed.key'])
      assert.deepEqual([code, stderr], [1, ''])
      assert.ok(stdout.includes(`\n1 key, 1 refused\nerror: ${gun} ${role}: `) && stdout.includes(refusal), stdout)
    }
    const { code, stderr } = await terminal.run(['key', 'import', 'example.com/app', 'targets', '--file', 'closed.key'])
    assert.equal(code, 2)
    assert.match(stderr, /^error: there is no terminal to ask for the passphrase of closed\.key\n/)
  })

  test('encrypted and plain key files written by Go are imported', async (t) => {
    const other = await Terminal.open()
    t.after(() => other.close())
    await (await other.host()).end()
    for (const [name, role, result] of [
      ['ecdsa P-256 targets key encrypted', 'targets', 'imported'],
      ['ecdsa P-256 targets key unencrypted', 'targets', 'present'],
      ['rsa2048 delegation key encrypted', 'targets/releases', 'only ed25519 and P-256 keys can be imported'],
      ['ecdsa P-256 root key (no gun) encrypted', 'root', 'a root key is not kept with the keys that the server'],
    ] as const) {
      const { pem, passphrase, keyId } = vector(name)
      await writeFile(other.path('vector.key'), pem)
      await writeFile(other.path('vector'), passphrase ?? '', { mode: 0o600 })
      const args = ['key', 'import', 'example.com/app', role, '--file', 'vector.key', '--passphrase-file', 'vector']
      const { stdout } = await other.run([...args, '--json'])
      const [outcome] = JSON.parse(stdout) as { keyId: string; result: string; error: string | null }[]
      assert.ok((outcome?.error ?? outcome?.result)?.startsWith(result), `${name}: ${stdout}`)
      if (outcome?.error === null) assert.equal(outcome.keyId, keyId)
    }
  })

  test('the key of a delegation is imported, plain or in a certificate', async () => {
    const gun = 'example.org/delegated'
    const world = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(server, gun) })
    await world.publishFirst(server)
    const [bare, certified] = [makeKey('ecdsa'), makeKey('ecdsa')]
    world.delegate('targets/bare', [bare])
    world.delegate('targets/certified', [makeRootKey(gun, Date.now(), { key: certified })])
    await world.publish(server, 'targets')
    for (const [role, key, state] of [
      [
        'targets/bare',
        bare,
        'imported, kept only: in delegations the server signs with the keys of its signers (countersign signer create)',
      ],
      ['targets/certified', certified, 'imported, named only inside a certificate: the server cannot sign with it'],
    ] as const) {
      await writeFile(terminal.path('delegation.key'), keyFileOf(key, 'role: alice'))
      const { code, stdout } = await terminal.run(['key', 'import', gun, role, '--file', 'delegation.key'])
      assert.equal(code, 0)
      assert.ok(stdout.includes(`  ${state}\n`), stdout)
    }
    const { stdout } = await terminal.run(['key', 'list', gun])
    assert.match(stdout, /^targets\/bare .* in use$/m)
    assert.match(stdout, /^targets\/certified .* not in use$/m)
  })

  test('invalid input is refused before anything is opened', async () => {
    for (const args of [
      [],
      ['a/b'],
      ['a/b', 'targets'],
      ['--file', 'x'],
      ['a/b', 'targets', '--signer-database', 'x'],
    ]) {
      const { code, stdout, stderr } = await terminal.run(['key', 'import', ...args])
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /^error: use either GUN ROLE --file FILE, or --signer-database FILE\n/)
    }
    const { stderr } = await terminal.run(['key', 'import', 'a/b', 'targets', '--file', 'nowhere'])
    assert.match(stderr, /^error: cannot read nowhere: ENOENT: .*\nhint: check the path\n$/)
  })
})

function keyOf(world: TrustWorld, role: string): TestKey {
  const [key] = world.signers.get(role) ?? []
  assert.ok(key !== undefined)
  return key
}

function byText(one: string, other: string): number {
  return one < other ? -1 : 1
}
