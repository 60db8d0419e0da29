import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, type X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect as connectHere } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { issueCertificate } from '../support/certificate.ts'
import { exchange } from '../support/exchange.ts'
import type { Log } from '../../src/log/log.ts'
import { addPerson, makeToken } from '../support/people.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { until } from '../support/until.ts'

const DAY = 86_400_000
/** The server looks every second, the shortest interval. */
const OFTEN = { renewIntervalSeconds: 1 }

/** Records everything logged, with its facts. */
function recordedLog(): { readonly lines: string[]; readonly log: Log } {
  const lines: string[] = []
  const note = (facts: object, text: string): void => void lines.push(`${text} ${JSON.stringify(facts)}`)
  return { lines, log: { info: note, warn: note, error: note } }
}

async function started(t: TestContext, options: TestServerOptions): Promise<TestServer> {
  const server = await startTestServer(options)
  t.after(() => server.stop())
  return server
}

/** Opens a new connection, as every docker client does. @param client its certificate, or a socket that is open already */
async function connected(server: TestServer, client: ConnectionOptions = {}): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const to = { port: server.running.port, host: 'localhost', servername: 'localhost', rejectUnauthorized: false }
  const socket = connect({ ...to, ...client }, () => resolve(socket))
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the server closed the connection')))
  return promise
}

async function served(server: TestServer): Promise<X509Certificate> {
  const socket = await connected(server)
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  assert.ok(certificate !== undefined)
  return certificate
}

/** Writes certificate files of an admin's own, and can replace them. */
async function ownFiles(t: TestContext): Promise<{
  readonly settings: { tls: { certificateFile: string; keyFile: string } }
  readonly replace: (parts?: 'both' | 'certificate') => Promise<void>
}> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-tls-'))
  t.after(() => rm(directory, { recursive: true }))
  const tls = { certificateFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') }
  const put = async (path: string, text: string): Promise<void> => {
    await writeFile(`${path}.new`, text, { mode: 0o600 })
    await rename(`${path}.new`, path)
  }
  const replace = async (parts = 'both'): Promise<void> => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const [notBefore, notAfter] = [Date.now() - DAY, Date.now() + 90 * DAY]
    const wish = { commonName: 'localhost', publicKey, signer: privateKey, notBefore, notAfter, hosts: ['localhost'] }
    await put(tls.certificateFile, issueCertificate(wish))
    if (parts === 'both') await put(tls.keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  }
  await replace()
  return { settings: { tls }, replace }
}

/** Makes a file with an authority of client certificates, and a certificate of its client. */
async function clientCa(t: TestContext): Promise<{
  readonly caFile: string
  readonly client: { readonly cert: string; readonly key: string }
  readonly replace: () => Promise<void>
}> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-tls-'))
  t.after(() => rm(directory, { recursive: true }))
  const caFile = join(directory, 'clients.pem')
  const valid = { notBefore: Date.now() - DAY, notAfter: Date.now() + DAY }
  const replace = async (): Promise<KeyObject> => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await writeFile(caFile, issueCertificate({ ...valid, commonName: 'CA', publicKey, signer: privateKey, ca: true }))
    return privateKey
  }
  const signer = await replace()
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = issueCertificate({ ...valid, commonName: 'builder', publicKey, signer, issuer: 'CA', clientAuth: true })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { caFile, client: { cert, key }, replace: async () => void (await replace()) }
}

/** Sends what there is of a request. @returns the status of the next answer; nothing if the server closed instead */
async function answerTo(socket: TLSSocket, text: string): Promise<string> {
  if (socket.closed) return ''
  socket.write(text)
  const [chunk] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [Buffer | boolean]
  return chunk.toString().slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)
}

/** Concurrent: most of the time they wait for the next look. */
describe('certificates that are renewed', { concurrency: true }, () => {
  test('a running server replaces its certificate in the last 90 days, under the same CA', async (t) => {
    // The client uses the real clock, so the server starts in the past.
    const server = await started(t, { settings: OFTEN, now: Date.now() - (825 - 29) * DAY })
    const first = await served(server)
    const kept = await connected(server)
    t.after(() => kept.destroy())
    server.clock.now = Date.now()
    await until('a new certificate', async () => (await served(server)).fingerprint256 !== first.fingerprint256)
    assert.ok((await served(server)).validToDate.getTime() > first.validToDate.getTime())
    // A client that trusted the CA at the start needs nothing new.
    assert.equal((await exchange(server, { path: '/v2/', headers: { connection: 'close' } })).status, 200)
    assert.equal(kept.destroyed, false)
  })

  test('a certificate made while the clock was ahead is replaced once the clock is right', async (t) => {
    const server = await started(t, { settings: OFTEN })
    const first = await served(server)
    server.clock.now += 800 * DAY
    await until('a certificate of then', async () => (await served(server)).validFromDate.getTime() > Date.now())
    server.clock.now = Date.now()
    await until('one of now', async () => (await served(server)).validFromDate.getTime() < Date.now())
    assert.notEqual((await served(server)).fingerprint256, first.fingerprint256)
  })

  test('all threads serve a renewed certificate file without a restart', async (t) => {
    const { settings, replace } = await ownFiles(t)
    const server = await started(t, { settings: { ...OFTEN, ...settings }, threads: 3 })
    const first = (await served(server)).fingerprint256
    const files = [settings.tls.certificateFile, settings.tls.keyFile]
    const kept = await Promise.all(files.map((file) => readFile(file)))
    const all = async (isServed: (fingerprint: string) => boolean): Promise<boolean> => {
      const seen = await Promise.all(Array.from({ length: 24 }, () => served(server)))
      return seen.every(({ fingerprint256 }) => isServed(fingerprint256))
    }
    await replace()
    await until('all threads to serve the new one', () => all((seen) => seen !== first))
    await Promise.all(files.map((file, index) => writeFile(file, kept[index]!)))
    await until('all threads to serve the first one again', () => all((seen) => seen === first))
  })

  test('an unusable certificate is logged once, and the old one is still served', async (t) => {
    const { settings, replace } = await ownFiles(t)
    const { lines, log } = recordedLog()
    const open = { admin: { listen: { port: 0 } }, access: { mode: 'built-in' as const } }
    const server = await started(t, { settings: { ...OFTEN, ...settings, ...open }, log })
    const authorization = `Bearer ${await makeToken(server.running, 'root', ['admin:*'])}`
    const admin = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca, authorization }
    const ends = async (): Promise<unknown> => {
      const { body } = await exchange(admin, { path: '/api/v1/expiry' })
      return (JSON.parse(body.toString()) as { what: string }[])
        .map(({ what }) => what)
        .filter((what) => what.startsWith('server'))
    }
    const first = (await served(server)).fingerprint256
    await replace('certificate')
    const warnings = (): string[] => lines.filter((line) => line.startsWith('new TLS certificates cannot be served '))
    await until('a warning', () => warnings().length > 0)
    await pause(1_500)
    assert.equal(warnings().length, 1)
    assert.match(warnings()[0] ?? '', /the key in .*tls\.key does not belong to the certificate in /)
    assert.equal((await served(server)).fingerprint256, first)
    assert.deepEqual(await ends(), ['server certificate, which cannot be served'])
    await replace()
    await until('the new one', async () => (await served(server)).fingerprint256 !== first)
    assert.equal(lines.filter((line) => line.startsWith('new TLS certificates are served ')).length, 1)
    assert.deepEqual(await ends(), ['server certificate'])
  })

  test('without TLS the server neither renews nor logs a certificate', async (t) => {
    const { lines, log } = recordedLog()
    await started(t, { settings: OFTEN, transport: 'plain', log })
    await pause(1_500)
    assert.deepEqual(
      lines.filter((line) => line.includes('TLS')),
      [],
    )
  })

  test('a removed CA is not replaced, since clients trust it', async (t) => {
    const { lines, log } = recordedLog()
    const server = await started(t, { settings: OFTEN, log })
    await rm(join(server.directory, 'keys', 'tls'), { recursive: true })
    await until('a warning', () => lines.some((line) => /cannot be served .*cannot read .*ca\.crt/.test(line)))
    assert.equal((await exchange(server, { path: '/v2/', headers: { connection: 'close' } })).status, 200)
  })

  test('once there are other client CAs, connections of clients with certificates end, after the running request', async (t) => {
    const { caFile, client, replace } = await clientCa(t)
    const { lines, log } = recordedLog()
    const access = { mode: 'built-in' as const, clientCertificates: { caFile } }
    const limits = { keepAliveSeconds: 300, headersSeconds: 6, requestSeconds: 300 }
    const server = await started(t, { settings: { ...OFTEN, access, limits }, log })
    await addPerson(server.running, 'builder', ['sign:*'])
    const ping = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'
    const half = 'POST /v2/a/_trust/tuf/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n-'
    const [idle, busy, other] = await Promise.all([client, client, {}].map((shown) => connected(server, shown)))
    assert.ok(idle !== undefined && busy !== undefined && other !== undefined)
    t.after(() => [idle, busy, other].forEach((socket) => socket.destroy()))
    assert.equal(await answerTo(idle, ping), '200')
    assert.equal(await answerTo(busy, ping), '200')
    assert.equal(await answerTo(other, ping), '401')
    busy.write(half)
    // Its handshake begins before there are other authorities, and ends after.
    const slow = connectHere(server.running.port, 'localhost')
    await once(slow, 'connect')
    await replace()
    await until('the new ones', () => lines.some((line) => line.startsWith('new TLS certificates are served')))
    await until('the idle one to end', () => idle.closed)
    assert.equal(slow.closed, false)
    const late = await connected(server, { ...client, socket: slow })
    assert.equal(await answerTo(late, ping), '200')
    await until('the late one to end', () => late.closed)
    assert.equal(await answerTo(busy, '-'), '400')
    await until('the busy one to end', () => busy.closed)
    assert.equal(await answerTo(other, ping), '401')
    const fresh = await connected(server, client)
    assert.equal(await answerTo(fresh, ping), '401')
    fresh.destroy()
  })

  test('new client CAs are followed even if the server’s own certificate cannot be renewed', async (t) => {
    const { settings, replace } = await ownFiles(t)
    const { lines, log } = recordedLog()
    const access = { clientCertificates: { caFile: settings.tls.certificateFile } }
    const server = await started(t, { settings: { ...OFTEN, access }, log })
    await rm(join(server.directory, 'keys', 'tls', 'ca.crt'))
    await until('a warning', () => lines.some((line) => /cannot be served .*cannot read .*ca\.crt/.test(line)))
    await replace()
    await until('another one to be followed', () =>
      lines.some((line) => line.startsWith('new TLS certificates are served')),
    )
    assert.equal(lines.filter((line) => line.includes('cannot be served')).length, 1)
  })
})
