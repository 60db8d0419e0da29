import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { renewServerCertificate, tlsFiles } from '../../src/signing/tls/identity.ts'
import { issueCertificate } from '../support/certificate.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const DAY = 86_400_000
const NOW = Date.parse('2026-11-28T08:00:00.000Z')

interface Made {
  readonly ca: string
  readonly certificate: X509Certificate
}

async function started(t: TestContext): Promise<TestServer> {
  const server = await startTestServer({ now: NOW })
  t.after(async () => {
    // A server whose start was refused has stopped already.
    await server.stop().catch(() => undefined)
    await rm(server.directory, { recursive: true, force: true })
  })
  return server
}

async function made(server: TestServer): Promise<Made> {
  const { ca, certificate } = tlsFiles(join(server.directory, 'keys'))
  return { ca: await readFile(ca, 'utf8'), certificate: new X509Certificate(await readFile(certificate)) }
}

/** Restarts the server at another time. */
async function at(server: TestServer, now: number): Promise<Made> {
  server.clock.now = now
  await server.restart()
  return made(server)
}

test('a server certificate is renewed in its last 90 days, by the same CA', async (t) => {
  const server = await started(t)
  const first = await made(server)
  const end = first.certificate.validToDate.getTime()
  const same = await at(server, end - 91 * DAY)
  assert.equal(same.certificate.fingerprint256, first.certificate.fingerprint256)
  const next = await at(server, end - 89 * DAY)
  assert.equal(next.ca, first.ca)
  assert.ok(next.certificate.validToDate.getTime() > end)
})

test('the server sends its certificate alone: its CA, which clients have, would only make handshakes longer', async (t) => {
  const { port } = (await started(t)).running
  const socket = connect({ port, servername: 'localhost', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerCertificate(true)
  socket.destroy()
  assert.equal(certificate.subject.CN, 'localhost')
  assert.equal(certificate.issuerCertificate, undefined)
})

test('once the CA has been removed, the next start makes another, and has it issue the certificate', async (t) => {
  const server = await started(t)
  const first = await made(server)
  await rm(tlsFiles(join(server.directory, 'keys')).ca)
  const next = await at(server, NOW + DAY)
  assert.notEqual(next.ca, first.ca)
  assert.ok(next.certificate.verify(new X509Certificate(next.ca).publicKey))
})

test('a certificate made while the clock was ahead is replaced once the clock is right', async (t) => {
  const server = await started(t)
  const first = await made(server)
  await at(server, first.certificate.validToDate.getTime() - DAY)
  const again = await at(server, NOW + DAY)
  assert.equal(again.ca, first.ca)
  assert.ok(again.certificate.validFromDate.getTime() <= NOW + DAY)
})

test('the certificate covers the hosts that settings name, and is reissued by the same CA when they change', async (t) => {
  const server = await startTestServer({ now: NOW, settings: { listen: { host: '127.0.0.2' } } })
  t.after(() => server.stop())
  const first = await made(server)
  assert.deepEqual(
    [first.certificate.checkIP('127.0.0.2'), first.certificate.checkHost('localhost')],
    ['127.0.0.2', 'localhost'],
  )
  await server.restart({ tls: { names: ['trust.example.com', '*.trust.example.com', '192.0.2.7', '2001:db8::7'] } })
  const { ca, certificate } = await made(server)
  assert.equal(ca, first.ca)
  for (const name of ['trust.example.com', 'a.trust.example.com']) assert.ok(certificate.checkHost(name), name)
  for (const address of ['127.0.0.1', '127.0.0.2', '192.0.2.7', '2001:db8::7'])
    assert.ok(certificate.checkIP(address), address)
  await server.restart()
  assert.equal((await made(server)).certificate.fingerprint256, certificate.fingerprint256)
})

test('an address is normalised and loses its zone, so the next start reissues nothing', async (t) => {
  for (const host of ['::1%lo', '::ffff:127.0.0.1']) {
    const server = await startTestServer({ now: NOW, settings: { listen: { host }, tls: { names: ['*.example'] } } })
    t.after(() => server.stop().catch(() => undefined))
    const first = await made(server)
    await server.restart()
    assert.equal((await made(server)).certificate.fingerprint256, first.certificate.fingerprint256, host)
  }
})

test('names are normalised to what clients ask for, so the next start reissues nothing', async (t) => {
  const names = ['*.corp', 'a_b.example.com', 'TRUST.example.com', 'trust.EXAMPLE.com']
  const server = await startTestServer({ now: NOW, settings: { tls: { names: [...names, '2001:0db8:0:0::7'] } } })
  t.after(() => server.stop())
  const { certificate } = await made(server)
  assert.match(
    certificate.subjectAltName ?? '',
    /, DNS:\*\.corp, DNS:a_b\.example\.com, DNS:trust\.example\.com, IP Address:2001:DB8:0:0:0:0:0:7$/,
  )
  await server.restart()
  assert.equal((await made(server)).certificate.fingerprint256, certificate.fingerprint256)
})

test('a certificate that ends with its CA is not reissued, since a new one would end no later', async (t) => {
  const server = await started(t)
  const { ca } = await made(server)
  const end = new X509Certificate(ca).validToDate.getTime()
  const last = await at(server, end - 20 * DAY)
  assert.equal(last.certificate.validToDate.getTime(), end)
  assert.equal((await at(server, end - 19 * DAY)).certificate.fingerprint256, last.certificate.fingerprint256)
  await renewServerCertificate(join(server.directory, 'keys'), [], end - 18 * DAY)
  assert.equal((await made(server)).certificate.fingerprint256, last.certificate.fingerprint256)
})

test('a start goes on with a certificate that ends soon if no other can be issued', async (t) => {
  const server = await started(t)
  const { certificate } = await made(server)
  await rm(tlsFiles(join(server.directory, 'keys')).caKey)
  const end = certificate.validToDate.getTime()
  assert.equal((await at(server, end - 29 * DAY)).certificate.fingerprint256, certificate.fingerprint256)
  await assert.rejects(at(server, end + DAY), { code: 'BAD_TLS', message: /^cannot read .*ca\.key: ENOENT/ })
})

test('a crash between key and certificate does not prevent the next start', async (t) => {
  const server = await started(t)
  const { key, caKey } = tlsFiles(join(server.directory, 'keys'))
  const first = await made(server)
  await copyFile(caKey, key)
  const next = await at(server, NOW)
  assert.equal(next.ca, first.ca)
  assert.notEqual(next.certificate.fingerprint256, first.certificate.fingerprint256)
})

test('an installed certificate of another CA is never replaced', async (t) => {
  const server = await started(t)
  const { certificate, key } = tlsFiles(join(server.directory, 'keys'))
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [notBefore, notAfter] = [NOW - DAY, NOW + 10 * DAY]
  const wish = { commonName: 'localhost', publicKey, signer: privateKey, notBefore, notAfter, hosts: ['localhost'] }
  const theirs = issueCertificate(wish)
  await writeFile(certificate, theirs)
  await assert.rejects(at(server, NOW), { code: 'BAD_TLS', message: /^the key in \S+ does not belong to / })
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  assert.equal((await at(server, NOW)).certificate.fingerprint256, new X509Certificate(theirs).fingerprint256)
})

test('an expired or future CA refuses the start with a hint, and nothing is issued', async (t) => {
  const server = await started(t)
  const { certificate } = await made(server)
  const again = /^remove \S+\/keys\/tls and start again: a new CA is made, which clients must be given$/
  await assert.rejects(at(server, NOW + 3_651 * DAY), {
    code: 'BAD_TLS',
    message: /^the CA in .* expired at /,
    hint: again,
  })
  const wrong = /^check the clock; if it was wrong when the CA was made, remove \S+\/keys\/tls and start again: /
  await assert.rejects(at(server, NOW - 3 * DAY), {
    code: 'BAD_TLS',
    message: /^the CA in .* is valid from /,
    hint: wrong,
  })
  assert.equal((await made(server)).certificate.fingerprint256, certificate.fingerprint256)
})
