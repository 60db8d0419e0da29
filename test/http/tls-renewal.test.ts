import assert from 'node:assert/strict'
import { generateKeyPairSync, type X509Certificate } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { issueCertificate } from '../support/certificate.ts'
import { exchange } from '../support/exchange.ts'
import type { Log } from '../../src/log/log.ts'
import { makeToken } from '../support/people.ts'
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

/** Opens a new connection, as every docker client does. */
async function connected(server: TestServer): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const port = server.running.port
  const socket = connect({ port, host: 'localhost', servername: 'localhost', rejectUnauthorized: false }, () =>
    resolve(socket),
  )
  socket.on('error', reject)
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
    await replace()
    await until('all threads to serve the new one', async () => {
      const seen = await Promise.all(Array.from({ length: 24 }, () => served(server)))
      return seen.every(({ fingerprint256 }) => fingerprint256 !== first)
    })
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
