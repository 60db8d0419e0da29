import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { copyKeys } from '../../src/signing/copy-keys.ts'
import { verifySignature } from '../../src/tuf/keys/signature.ts'
import { createKeysDirectory, openKeysDirectory } from '../../src/signing/keys-directory.ts'
import { encodeReference } from '../../src/signing/pkcs11/reference.ts'
import { rekey } from '../../src/signing/rekey.ts'
import { makeRootKey, openRootKey, rootPublicKey, sealRootKey } from '../../src/signing/root-key.ts'
import { readSecretFile, writeFileAtomically } from '../../src/signing/secret-file.ts'
import { parseGun } from '../../src/tuf/gun.ts'

const GUN = parseGun('docker.io/acme/app')
const OTHER = parseGun('docker.io/acme/other')
const MESSAGE = Buffer.from('signed')

async function place(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-keys-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

test('the keyring is synced to disk before anything can be committed under it', async (t) => {
  const directory = await place(t)
  const file = await open(directory)
  const prototype = Object.getPrototypeOf(file) as FileHandle
  await file.close()
  const synced: boolean[] = []
  t.mock.method(prototype, 'sync', async () => void synced.push(existsSync(join(directory, 'keyring.json'))))
  await createKeysDirectory(directory)
  assert.equal(synced.at(-1), true)
})

async function passphraseFile(directory: string, name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, `${text}\n`, { mode: 0o600 })
  return path
}

test('a sealed key opens only for its own repository, role and id', async (t) => {
  const keys = join(await place(t), 'keys')
  await createKeysDirectory(keys)
  const signer = (await openKeysDirectory(keys)).signer('ed25519')
  const { keyId, sealed } = await signer.create(GUN, 'timestamp')
  const owner = { gun: GUN, role: 'timestamp' as const, keyId }
  assert.equal((await signer.sign(owner, sealed, MESSAGE)).sig.length, 64)
  const wrong = [
    { ...owner, gun: OTHER },
    { ...owner, role: 'snapshot' as const },
    { ...owner, keyId: keyId.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) },
  ]
  for (const other of wrong) await assert.rejects(signer.sign(other, sealed, MESSAGE), { code: 'SIGNING_FAILED' })
  for (let bit = 0; bit < sealed.length * 8; bit += 61) {
    const spoilt = Buffer.from(sealed)
    spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    await assert.rejects(signer.sign(owner, spoilt, MESSAGE), { code: 'SIGNING_FAILED' }, `bit ${bit}`)
  }
  await assert.rejects(signer.sign(owner, sealed.subarray(0, -1), MESSAGE), { code: 'SIGNING_FAILED' })
})

for (const algorithm of ['ed25519', 'ecdsa'] as const) {
  test(`a key signs correctly at every use, ${algorithm}`, async (t) => {
    const keys = join(await place(t), 'keys')
    await createKeysDirectory(keys)
    const made = await (await openKeysDirectory(keys)).signer(algorithm).create(GUN, 'timestamp')
    const owner = { gun: GUN, role: 'timestamp' as const, keyId: made.keyId }
    const signer = (await openKeysDirectory(keys)).signer(algorithm)
    for (let use = 0; use < 5; use += 1) {
      const sealed = Buffer.from(made.sealed)
      const { method, sig } = await signer.sign(owner, sealed, MESSAGE)
      assert.ok(verifySignature(made, method, sig, MESSAGE), `use ${use}`)
      assert.deepEqual(sealed, Buffer.from(made.sealed), 'the sealed bytes are unchanged')
      const other = { ...owner, gun: OTHER }
      await assert.rejects(signer.sign(other, sealed, MESSAGE), { code: 'SIGNING_FAILED' }, `use ${use}`)
    }
  })
}

test("another server's keys open nothing here", async (t) => {
  const directory = await place(t)
  const [one, other] = [join(directory, 'one'), join(directory, 'other')]
  await createKeysDirectory(one)
  await createKeysDirectory(other)
  const { keyId, sealed } = await (await openKeysDirectory(one)).signer('ecdsa').create(GUN, 'snapshot')
  const stranger = (await openKeysDirectory(other)).signer('ecdsa')
  assert.equal(stranger.fault({ gun: GUN, role: 'snapshot', keyId }, sealed), 'it does not open')
})

test('a pending key counts as current only if a new one would have the same kind and place', async (t) => {
  const keys = join(await place(t), 'keys')
  await createKeysDirectory(keys)
  const opened = await openKeysDirectory(keys)
  const [ed25519, ecdsa] = [opened.signer('ed25519'), opened.signer('ecdsa')]
  const key = await ed25519.create(GUN, 'timestamp')
  assert.equal(ed25519.makes(GUN, 'timestamp', key), true)
  assert.equal(ecdsa.makes(GUN, 'timestamp', key), false)
  assert.equal(ed25519.makes(GUN, 'targets/releases', key), false)
  const sealed = encodeReference({ token: 'elsewhere', id: key.keyId })
  assert.equal(ed25519.makes(GUN, 'timestamp', { ...key, sealed }), false)
})

test('keys on curves that no client knows are refused', async (t) => {
  const keys = join(await place(t), 'keys')
  await createKeysDirectory(keys)
  const signer = (await openKeysDirectory(keys)).signer('ecdsa')
  for (const namedCurve of ['P-384', 'secp256k1']) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve })
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    assert.throws(() => signer.importKey(GUN, 'targets', pkcs8), { code: 'SIGNING_FAILED' }, namedCurve)
  }
})

test('the token endpoint’s key is made once; one that does not open is refused with a hint', async (t) => {
  const keys = join(await place(t), 'keys')
  await createKeysDirectory(keys)
  const { publicKey } = await (await openKeysDirectory(keys)).tokenKey()
  const opened = await openKeysDirectory(keys)
  assert.ok((await opened.tokenKey()).publicKey.equals(publicKey))
  await copyFile(join(keys, 'anchor-key'), join(keys, 'token-key'))
  const again = await openKeysDirectory(keys)
  await assert.rejects(again.tokenKey(), {
    code: 'BAD_KEYS',
    message: /token-key does not open$/,
    hint: /^remove it: /,
  })
})

test('a root key opens only with its passphrase and for its own public key', () => {
  const [one, other] = [makeRootKey(), makeRootKey()]
  const sealed = sealRootKey(one, 'correct horse')
  assert.ok(openRootKey('root', sealed, rootPublicKey(one), 'correct horse').equals(one))
  for (const [key, passphrase] of [
    [one, 'wrong horse'],
    [other, 'correct horse'],
  ] as const) {
    assert.throws(() => openRootKey('root', sealed, rootPublicKey(key), passphrase), { code: 'BAD_KEYS' })
  }
})

test('a copy of a directory has its named files only: no temporary ones, no hidden directories of a mount', async (t) => {
  const directory = await place(t)
  const [from, to] = [join(directory, 'from'), join(directory, 'to')]
  await mkdir(join(from, '..data'), { recursive: true })
  await writeFile(join(from, '..data', 'secret'), 'secret', { mode: 0o400 })
  await symlink(join('..data', 'secret'), join(from, 'secret'))
  for (const name of ['.rekey', 'anchor']) await writeFile(join(from, name), name)
  await copyKeys(from, to, [join(from, 'anchor')])
  assert.deepEqual(await readdir(to), ['secret'])
  assert.equal((await stat(join(to, 'secret'))).mode & 0o777, 0o400)
})

test('a secret is synced before it gets its name, and the name before the write returns', async (t) => {
  const directory = await place(t)
  const path = join(directory, 'secret')
  const handle = await open(directory)
  const synced: boolean[] = []
  t.mock.method(Object.getPrototypeOf(handle) as FileHandle, 'sync', async () => void synced.push(existsSync(path)))
  await writeFileAtomically(path, 'secret', 0o600)
  await handle.close()
  assert.deepEqual(synced, [false, true])
})

test('a secret that cannot be written leaves no part of it behind', async (t) => {
  const directory = await place(t)
  await mkdir(join(directory, 'secret'))
  await assert.rejects(writeFileAtomically(join(directory, 'secret'), 'text', 0o600), { code: 'BAD_KEYS' })
  assert.deepEqual(await readdir(directory), ['secret'])
})

test('others cannot read the keys directory', async (t) => {
  const keys = join(await place(t), 'keys')
  await createKeysDirectory(keys)
  assert.equal((await stat(keys)).mode & 0o777, 0o700)
  for (const name of ['key-encryption-key', 'keyring.json', 'anchor-key']) {
    assert.equal((await stat(join(keys, name))).mode & 0o777, 0o600, name)
  }
  await assert.rejects(createKeysDirectory(keys), { code: 'BAD_KEYS' })
})

test('changing the passphrase touches no key; the old passphrase opens nothing any more', async (t) => {
  const directory = await place(t)
  const keys = join(directory, 'keys')
  const first = await passphraseFile(directory, 'first', 'correct horse battery')
  const second = await passphraseFile(directory, 'second', 'staple staple staple')
  await createKeysDirectory(keys, first)
  const { keyId, sealed } = await (await openKeysDirectory(keys, first)).signer('ed25519').create(GUN, 'timestamp')
  const owner = { gun: GUN, role: 'timestamp' as const, keyId }
  await rekey(keys, first, second)
  await assert.rejects(openKeysDirectory(keys, first), { code: 'BAD_KEYS' })
  await assert.rejects(openKeysDirectory(keys), { code: 'BAD_KEYS' })
  const signer = (await openKeysDirectory(keys, second)).signer('ed25519')
  assert.equal(signer.fault(owner, sealed), undefined)
  await rekey(keys, second)
  assert.equal((await openKeysDirectory(keys)).signer('ed25519').fault(owner, sealed), undefined)
})

test('a damaged, weakened or foreign keyring is refused', async (t) => {
  const directory = await place(t)
  const keys = join(directory, 'keys')
  const passphrase = await passphraseFile(directory, 'passphrase', 'correct horse battery')
  await createKeysDirectory(keys, passphrase)
  const ring = join(keys, 'keyring.json')
  const good = await readFile(ring, 'utf8')
  const weakened = [
    good.replace(/"memory": \d+/, '"memory": 8'),
    good.replace(/"passes": \d+/, '"passes": 1'),
    good.replace(/"lanes": \d+/, '"lanes": 0'),
    good.replace(/"salt": "[^"]+"/, '"salt": "c2FsdA=="'),
  ]
  const spoilt = [
    '',
    '{',
    '{"format":2}',
    ...weakened,
    good.replace(/"1": "./, (text) => `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`),
    good.replace(/"current": 1/, '"current": 2'),
  ]
  for (const text of spoilt) {
    assert.notEqual(text, good)
    await writeFile(ring, text)
    const message = weakened.includes(text) ? /too weak$/ : /./
    await assert.rejects(openKeysDirectory(keys, passphrase), { code: 'BAD_KEYS', message }, text)
  }
  await writeFile(ring, good)
  await openKeysDirectory(keys, passphrase)
  const short = await passphraseFile(directory, 'short', 'short')
  await assert.rejects(createKeysDirectory(join(directory, 'other'), short), { code: 'BAD_KEYS' })
  // As text, half of random bytes would become the same replacement character.
  const random = join(directory, 'random')
  await writeFile(random, Buffer.alloc(32, 0xe9), { mode: 0o600 })
  const noText = { code: 'BAD_KEYS', message: /is not UTF-8/ }
  await assert.rejects(createKeysDirectory(join(directory, 'other'), random), noText)
  await assert.rejects(rekey(keys, passphrase, random), noText)
})

const asRoot = process.getuid?.() === 0 ? false : 'only root can lend a file'
test(
  'a secret that root lets a group read, as in containers, is read; one that all can read is refused',
  {
    skip: asRoot,
  },
  async (t) => {
    const directory = await place(t)
    const path = await passphraseFile(directory, 'secret', 'lent')
    await chmod(directory, 0o755)
    const read = async (mode: number): Promise<string> => {
      await chmod(path, mode)
      process.seteuid?.(65_534)
      try {
        return (await readSecretFile(path)).toString()
      } finally {
        process.seteuid?.(0)
      }
    }
    for (const mode of [0o444, 0o460, 0o450]) {
      await assert.rejects(read(mode), { message: /can be read by others$/, hint: /mode 0440/ })
    }
    assert.equal(await read(0o440), 'lent\n')
    // Root itself owns the file, so group access is too much; so it is for another user who owns it.
    const owned = { message: /can be read by others$/, hint: /^chmod 600 / }
    await assert.rejects(readSecretFile(path), owned)
    await chown(path, 65_534, 65_534)
    await assert.rejects(read(0o440), owned)
  },
)
