import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { privateKeyOf } from '../../src/signing/ed25519.ts'
import { encodeKeyFile, namesInKeyFile, openKeyFile } from '../../src/signing/key-file.ts'
import { rootPublicKey } from '../../src/signing/root-key.ts'
import { openSignerRow } from '../../src/signing/signer-row.ts'

interface Vector {
  readonly name: string
  readonly role: string
  readonly gun?: string
  readonly passphrase?: string
  readonly pem?: string
  readonly jwe?: string
  readonly algorithm: string
  /** As in metadata. */
  readonly public: string
}

const { keys: vectors } = JSON.parse(
  readFileSync(new URL('../vectors/crypto-vectors.json', import.meta.url), 'utf8'),
) as { keys: Vector[] }

/** Returns the public half as metadata has it. */
function publicOf(pkcs8: Buffer): string {
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
  const spki = key.export({ format: 'der', type: 'spki' })
  return (key.asymmetricKeyType === 'ed25519' ? spki.subarray(-32) : spki).toString('base64')
}

for (const { name, role, gun, passphrase, pem, jwe, algorithm, public: expected } of vectors) {
  test(name, () => {
    if (pem === undefined) {
      if (algorithm === 'rsa') {
        // Notary's signer makes no RSA keys, and this server could not sign with one.
        assert.throws(() => openSignerRow(jwe ?? '', algorithm, passphrase ?? ''), { code: 'BAD_KEYS' })
        return
      }
      assert.equal(publicOf(openSignerRow(jwe ?? '', algorithm, passphrase ?? '')), expected)
      assert.throws(() => openSignerRow(jwe ?? '', algorithm, 'another passphrase'), { code: 'BAD_KEYS' })
      return
    }
    assert.equal(publicOf(openKeyFile(pem, passphrase)), expected)
    assert.deepEqual(namesInKeyFile(pem), { role, gun })
    // Its label may name the algorithm, digits included.
    const labelled = pem
      .replaceAll('-----BEGIN PRIVATE', '-----BEGIN ED25519 PRIVATE')
      .replaceAll('END PRIVATE', 'END ED25519 PRIVATE')
    if (algorithm === 'ed25519') assert.equal(publicOf(openKeyFile(labelled, passphrase)), expected)
    if (passphrase === undefined) return
    assert.throws(() => openKeyFile(pem, 'another passphrase'), { code: 'BAD_KEYS' })
    assert.throws(() => openKeyFile(pem, undefined), { code: 'BAD_KEYS' })
  })
}

test('legacy key files are opened, encrypted or not', () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-legacy-'))
  try {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const path = join(directory, 'key.pem')
    writeFileSync(path, privateKey.export({ format: 'pem', type: 'sec1' }))
    const expected = publicOf(privateKey.export({ format: 'der', type: 'pkcs8' }))
    const encrypted = execFileSync('openssl', ['ec', '-in', path, '-aes256', '-passout', 'pass:legacy'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString()
    for (const [pem, passphrase] of [
      [readFileSync(path, 'utf8'), undefined],
      [encrypted, 'legacy'],
    ] as const) {
      const withRole = pem.replace(
        '-----\n',
        passphrase === undefined ? '-----\nrole: root\n\n' : '-----\nrole: root\n',
      )
      for (const text of [pem, withRole]) assert.equal(publicOf(openKeyFile(text, passphrase)), expected, text)
    }
    assert.match(encrypted, /DEK-Info/)
    assert.throws(() => openKeyFile(encrypted, 'wrong'), { code: 'BAD_KEYS' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a file with a compressed point or explicit curve opens to the same key', () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-forms-'))
  try {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const path = join(directory, 'key.pem')
    writeFileSync(path, privateKey.export({ format: 'pem', type: 'sec1' }))
    const openssl = (...args: string[]): string =>
      execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const expected = publicOf(privateKey.export({ format: 'der', type: 'pkcs8' }))
    const compressed = openssl('ec', '-in', path, '-conv_form', 'compressed')
    for (const pem of [compressed, openssl('ec', '-in', path, '-param_enc', 'explicit')]) {
      const pkcs8 = openKeyFile(pem, undefined)
      assert.equal(publicOf(pkcs8), expected)
      assert.equal(rootPublicKey(privateKeyOf(pkcs8)), expected)
    }
    writeFileSync(path, compressed)
    const encrypted = openssl('pkcs8', '-topk8', '-in', path, '-passout', 'pass:a passphrase')
    assert.equal(publicOf(openKeyFile(encrypted, 'a passphrase')), expected)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a written key file is opened again, and anything else is refused', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = encodeKeyFile(privateKey, 'a passphrase')
  assert.equal(
    publicOf(openKeyFile(pem, 'a passphrase')),
    publicOf(privateKey.export({ format: 'der', type: 'pkcs8' })),
  )
  assert.equal(namesInKeyFile(pem).role, 'root')
  for (const text of ['', 'nonsense', pem.slice(0, 200), pem.replaceAll('PRIVATE KEY', 'CERTIFICATE')]) {
    assert.throws(() => openKeyFile(text, 'a passphrase'), { code: 'BAD_KEYS' })
  }
})

test('a signer row that asks for too many PBKDF2 rounds is refused before they are computed', () => {
  const { jwe = '', algorithm, passphrase = '' } = vectors.find(({ jwe: row }) => row !== undefined)!
  const [header = '', ...rest] = jwe.split('.')
  const asking = (rounds: number): string => {
    const said = JSON.parse(Buffer.from(header, 'base64url').toString()) as object
    return [Buffer.from(JSON.stringify({ ...said, p2c: rounds })).toString('base64url'), ...rest].join('.')
  }
  for (const rounds of [1_000_001, 2 ** 31 - 1, 0, 1.5]) {
    const refused = { code: 'BAD_KEYS', message: /^it is not a key of Notary's signer$/ }
    assert.throws(() => openSignerRow(asking(rounds), algorithm, passphrase), refused, `${rounds}`)
  }
})

test('a key file that would take hours to decrypt is refused at once; common parameters are accepted', () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-work-'))
  try {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const path = join(directory, 'key.pem')
    writeFileSync(path, privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const encrypted = (...options: string[]): string => {
      const args = ['pkcs8', '-topk8', '-in', path, '-passout', 'pass:a passphrase', ...options]
      return execFileSync('openssl', args, { encoding: 'utf8' })
    }
    const expected = publicOf(privateKey.export({ format: 'der', type: 'pkcs8' }))
    for (const pem of [
      encrypted(),
      encrypted('-v2', 'aes-256-cbc', '-iter', '600000'),
      encrypted('-scrypt'),
      encrypted('-v1', 'PBE-SHA1-3DES', '-iter', '100000'),
    ]) {
      assert.equal(publicOf(openKeyFile(pem, 'a passphrase')), expected, pem)
      // OpenSSL skips what stands before the key.
      assert.equal(publicOf(openKeyFile(`Bag Attributes\n${pem}`, 'a passphrase')), expected, pem)
    }
    const altered = (pem: string, alter: (hex: string) => string): string => {
      const hex = Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64').toString('hex')
      const lines = Buffer.from(alter(hex), 'hex').toString('base64').replace(/.{64}/g, '$&\n')
      return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${lines}\n-----END ENCRYPTED PRIVATE KEY-----\n`
    }
    // Makes the salt shorter by the byte that the longer number of rounds needs.
    const rounds = altered(encrypted('-v2', 'aes-256-cbc', '-iter', '65537'), (hex) =>
      hex.replace(/(?:0408|0410)(?:..)+?0203010001/, (whole) => {
        const salt = whole.slice(4, -10)
        return `04${(salt.length / 2 - 1).toString(16).padStart(2, '0')}${salt.slice(2)}020440000000`
      }),
    )
    const scrypt = altered(encrypted('-scrypt', '-scrypt_N', '2', '-scrypt_r', '1', '-scrypt_p', '65537'), (hex) =>
      hex.replace('0201020201010203010001', '02014002017f0203010001'),
    )
    // No parameters; a number of seven bytes, or of none.
    const odd = ['', '300b30090207ffffffffffffff', '300430020200'].map((hex) => altered('', () => hex))
    const slow = [...odd, rounds, scrypt, `Bag Attributes\n${rounds}`, rounds.replaceAll('\n', '\r\n')]
    const refused = { code: 'BAD_KEYS', message: /asks for so much work/ }
    for (const pem of slow) assert.throws(() => openKeyFile(pem, 'a passphrase'), refused, pem)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
