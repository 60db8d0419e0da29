import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate, type KeyPairKeyObjectResult } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { libtrustId } from '../../src/access/certificate-keys.ts'
import { goodClaims } from '../access/hostile-tokens.ts'
import { forge } from '../access/token-forge.ts'
import { issueCertificate, type CertificateWish } from '../support/certificate.ts'
import { exchange } from '../support/exchange.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { tufPath } from '../support/upload.ts'
import { makeCertificate, pemOf } from '../tuf/certificate-maker.ts'

const GUN = 'example.org/team/app'
const NOW = Date.parse('2026-11-24T12:00:00Z')
const DAY = 86_400_000

const pair = (): KeyPairKeyObjectResult => generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** Tokens with certificates (`x5c`), and a bundle of the CAs that may issue them (wire spec §15.1). */
describe('tokens under a certificate bundle', () => {
  let directory: string
  let server: TestServer
  const [root, otherRoot, middle, leaf, direct, stranger] = [pair(), pair(), pair(), pair(), pair(), pair()]
  const wish = (commonName: string, key: KeyPairKeyObjectResult, more: Partial<CertificateWish> = {}): string =>
    issueCertificate({
      commonName,
      publicKey: key.publicKey,
      signer: root.privateKey,
      issuer: 'root',
      notBefore: NOW - DAY,
      notAfter: NOW + DAY,
      ...more,
    })
  const authority = { signer: root.privateKey, ca: true }
  const rootPem = wish('root', root, authority)
  const middlePem = wish('middle', middle, authority)
  const directPem = wish('direct', direct, { signer: otherRoot.privateKey, issuer: 'other' })
  const others = { rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }), ed: generateKeyPairSync('ed25519') }
  const fromMiddle = { signer: middle.privateKey, issuer: 'middle' }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-bundle-'))
    const certificateBundleFile = join(directory, 'bundle.pem')
    const more = [wish('rsa', others.rsa), wish('ed', others.ed)]
    // As Go does, this server skips what is between certificates.
    await writeFile(certificateBundleFile, ['# of the token service', rootPem, directPem, ...more].join('\n'))
    server = await startWith(certificateBundleFile)
  })
  after(async () => {
    await server.stop()
    await rm(directory, { recursive: true })
  })

  function startWith(certificateBundleFile: string): Promise<TestServer> {
    const service = { realm: 'https://auth.example/token', issuer: 'issuer.example', service: 'notary' }
    const access = { mode: 'external', ...service, certificateBundleFile } as const
    return startTestServer({ now: NOW, transport: 'plain', settings: { access } })
  }
  const base64 = (pem: string): string => pem.replace(/-----[^-]+-----|\n/g, '')
  const idOf = (pem: string): string => {
    const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
    return libtrustId({ spki })
  }

  async function ask(header: object, key = leaf, algorithm = 'ES256'): Promise<number> {
    const claims = JSON.stringify(goodClaims(GUN, server.clock.now))
    const token = forge(JSON.stringify({ alg: algorithm, ...header }), claims, algorithm, key.privateKey)
    const headers = { authorization: `Bearer ${token}` }
    return (await exchange(server, { method: 'POST', path: tufPath(GUN, 'timestamp.key'), headers })).status
  }
  const chain = (...pems: string[]): object => ({ x5c: pems.map(base64) })

  test('a leaf, a leaf with an intermediate, and the key of a bundled certificate are accepted', async () => {
    assert.equal(await ask(chain(wish('leaf', leaf))), 200)
    assert.equal(await ask(chain(wish('leaf', leaf), rootPem)), 200, 'the root itself may follow')
    assert.equal(await ask(chain(wish('leaf', leaf, fromMiddle), middlePem)), 200)
    assert.equal(await ask(chain(rootPem), root), 200, 'a bundled certificate may sign directly')
    assert.equal(await ask(chain(directPem), direct), 200, 'so may one whose issuer is not in the bundle')
    assert.equal(await ask({ kid: idOf(rootPem) }, root), 200)
    assert.match(idOf(rootPem), /^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/)
  })

  test('a token may name its key by thumbprint, as services for version 3 of the registry do', async () => {
    const named = async ({ publicKey }: KeyPairKeyObjectResult): Promise<object> => ({
      kid: await calculateJwkThumbprint(publicKey.export({ format: 'jwk' })),
    })
    assert.equal(await ask(await named(root), root), 200)
    assert.equal(await ask(await named(others.rsa), others.rsa, 'RS256'), 200)
    assert.equal(await ask(await named(others.ed), others.ed, 'EdDSA'), 200)
    assert.equal(await ask(await named(root), stranger), 401)
    assert.equal(await ask(await named(stranger), stranger), 401)
  })

  test('a chain that does not lead to the bundle is refused', async () => {
    const selfSigned = wish('root', stranger, { signer: stranger.privateKey, ca: true })
    const notCa = wish('middle', middle)
    const refused: [name: string, header: object, key?: KeyPairKeyObjectResult][] = [
      ['nothing that names a key', {}],
      ['a certificate of its own', chain(selfSigned), stranger],
      ['its own, named as the root is', chain(wish('leaf', leaf, { signer: stranger.privateKey }), selfSigned)],
      ['its own, with the root after it', chain(selfSigned, rootPem), stranger],
      ['a leaf of another root', chain(wish('leaf', leaf, { signer: otherRoot.privateKey, issuer: 'other' }))],
      ['a leaf that names another issuer', chain(wish('leaf', leaf, { issuer: 'other' }))],
      ['a leaf signed with SHA-1', chain(wish('leaf', leaf, { digest: 'sha1' }))],
      ['a leaf, and what is no certificate', { x5c: [base64(wish('leaf', leaf)), 'AAAA'] }],
      ['the chain without its middle', chain(wish('leaf', leaf, fromMiddle))],
      ['a middle that is no authority', chain(wish('leaf', leaf, fromMiddle), notCa)],
      [
        'one whose key may have any use',
        chain(wish('leaf', leaf, fromMiddle), wish('middle', middle, { anyUse: true })),
      ],
      ['a chain in another order', chain(middlePem, wish('leaf', leaf, fromMiddle))],
      ['the root before the leaf', chain(rootPem, wish('leaf', leaf))],
      ["somebody else's leaf", chain(wish('leaf', leaf)), stranger],
      ['the root certificate, by another key', chain(rootPem), stranger],
      ['a leaf that has ended', chain(wish('leaf', leaf, { notAfter: NOW - 1000 }))],
      ['a leaf that has not begun', chain(wish('leaf', leaf, { notBefore: NOW + 60_000 }))],
      [
        'a middle that has ended',
        chain(wish('leaf', leaf, fromMiddle), wish('middle', middle, { ...authority, notAfter: NOW - 1000 })),
      ],
      ['the id of another key', { kid: idOf(middlePem) }, middle],
      ['the id of the root, by another key', { kid: idOf(rootPem) }, stranger],
      ['the id in small letters', { kid: idOf(rootPem).toLowerCase() }, root],
      ['x5c that leads nowhere, and the right id', { ...chain(selfSigned), kid: idOf(rootPem) }, root],
      ['x5c in base64url', { x5c: [Buffer.from(base64(wish('leaf', leaf)), 'base64').toString('base64url')] }],
      ['x5c in PEM', { x5c: [wish('leaf', leaf)] }],
      ['x5c with a blank in it', { x5c: [` ${base64(wish('leaf', leaf))}`] }],
      ['x5c with bytes after the certificate', { x5c: [Buffer.from(`${base64(rootPem)}AAAA`).toString()] }, root],
      ['x5c of numbers', { x5c: [1, 2] }],
      ['x5c of lists', { x5c: [[base64(wish('leaf', leaf))]] }],
      ['x5c of nine', { x5c: Array.from({ length: 9 }, () => base64(wish('leaf', leaf))) }],
      ['x5c that is no certificate', { x5c: ['AAAA'] }],
      ['jwk beside a good x5c', { ...chain(wish('leaf', leaf)), jwk: leaf.publicKey.export({ format: 'jwk' }) }],
      ['x5u beside a good x5c', { ...chain(wish('leaf', leaf)), x5u: 'http://localhost:1/' }],
      ['another algorithm', { ...chain(wish('leaf', leaf)), alg: 'ES384' }],
    ]
    const before = server.running.store.tail()
    for (const [name, header, key] of refused) assert.equal(await ask(header, key), 401, name)
    assert.deepEqual(server.running.store.tail(), before)
  })

  test('a bundle with a name-constrained CA prevents the start, with a hint at the cause', async () => {
    const constraints = '30100603551d1e04093007a0053003820161'
    const file = join(directory, 'other.pem')
    await writeFile(file, pemOf(makeCertificate({ keys: root, names: ['a'], ca: true, more: [constraints] })))
    await assert.rejects(startWith(file), { code: 'BAD_SETTINGS', hint: /CAs that constrain names/ })
  })

  test('a chain expires with the bundled certificate that it leads to', async () => {
    server.clock.now = NOW + 2 * DAY
    assert.equal(await ask(chain(wish('leaf', leaf, { notAfter: NOW + 3 * DAY }))), 401)
    server.clock.now = NOW
  })
})
