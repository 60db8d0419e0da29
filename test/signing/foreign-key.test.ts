import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeKeyFile, openKeyFile } from '../../src/signing/key-file.ts'
import { openSignerRow } from '../../src/signing/signer-row.ts'

interface Vector {
  readonly name: string
  readonly role: string
  readonly gun?: string
  readonly passphrase?: string
  readonly pem?: string
  readonly jwe?: string
  readonly algorithm: string
  /** As metadata carries it. */
  readonly public: string
}

const { keys: vectors } = JSON.parse(
  readFileSync(new URL('../vectors/crypto-vectors.json', import.meta.url), 'utf8'),
) as { keys: Vector[] }

/** The public half in the form of metadata. */
function publicOf(pkcs8: Buffer): string {
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
  const spki = key.export({ format: 'der', type: 'spki' })
  return (key.asymmetricKeyType === 'ed25519' ? spki.subarray(-32) : spki).toString('base64')
}

for (const { name, role, gun, passphrase, pem, jwe, algorithm, public: expected } of vectors) {
  test(name, () => {
    if (pem === undefined) {
      if (algorithm === 'rsa') {
        // Notary's signer makes none, and the server could not sign with one.
        assert.throws(() => openSignerRow(jwe ?? '', algorithm, passphrase ?? ''), { code: 'BAD_KEYS' })
        return
      }
      assert.equal(publicOf(openSignerRow(jwe ?? '', algorithm, passphrase ?? '')), expected)
      assert.throws(() => openSignerRow(jwe ?? '', algorithm, 'another passphrase'), { code: 'BAD_KEYS' })
      return
    }
    const opened = openKeyFile(pem, passphrase)
    assert.equal(publicOf(opened.pkcs8), expected)
    assert.deepEqual([opened.role, opened.gun], [role, gun])
    if (passphrase === undefined) return
    assert.throws(() => openKeyFile(pem, 'another passphrase'), { code: 'BAD_KEYS' })
    assert.throws(() => openKeyFile(pem, undefined), { code: 'BAD_KEYS' })
  })
}

test('legacy files, with and without encryption', () => {
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
      for (const text of [pem, withRole]) assert.equal(publicOf(openKeyFile(text, passphrase).pkcs8), expected, text)
    }
    assert.match(encrypted, /DEK-Info/)
    assert.throws(() => openKeyFile(encrypted, 'wrong'), { code: 'BAD_KEYS' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('what is written is read again, and anything else is refused', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = encodeKeyFile(privateKey, 'a passphrase')
  const { pkcs8, role } = openKeyFile(pem, 'a passphrase')
  assert.equal(publicOf(pkcs8), publicOf(privateKey.export({ format: 'der', type: 'pkcs8' })))
  assert.equal(role, 'root')
  for (const text of ['', 'nonsense', pem.slice(0, 200), pem.replaceAll('PRIVATE KEY', 'CERTIFICATE')]) {
    assert.throws(() => openKeyFile(text, 'a passphrase'), { code: 'BAD_KEYS' })
  }
})

test('a row that asks for more work than any signer of Notary does is refused before it is done', () => {
  const { jwe = '', algorithm, passphrase = '' } = vectors.find(({ jwe: row }) => row !== undefined)!
  const [header = '', ...rest] = jwe.split('.')
  const asking = (rounds: number): string => {
    const said = JSON.parse(Buffer.from(header, 'base64url').toString()) as object
    return [Buffer.from(JSON.stringify({ ...said, p2c: rounds })).toString('base64url'), ...rest].join('.')
  }
  for (const rounds of [1_000_001, 2 ** 31 - 1, 0, 1.5]) {
    const refused = { code: 'BAD_KEYS', message: /^it is no key of Notary's signer$/ }
    assert.throws(() => openSignerRow(asking(rounds), algorithm, passphrase), refused, `${rounds}`)
  }
})
