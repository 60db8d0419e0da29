import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { issueCertificate } from '../support/certificate.ts'
import { exchange } from '../support/exchange.ts'
import { makeToken } from '../support/people.ts'
import { startTestServer } from '../support/server.ts'

const DAY = 86_400_000

test('expiry lists the first of the CAs of client certificates that ends, even if it cannot be read', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-client-ca-'))
  t.after(() => rm(directory, { recursive: true }))
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const begins = Date.now() - DAY
  const caOf = (days: number): string =>
    issueCertificate({
      commonName: 'clients',
      publicKey,
      signer: privateKey,
      ca: true,
      notBefore: begins,
      notAfter: begins + days * DAY,
    })
  const caFile = join(directory, 'clients.pem')
  await writeFile(caFile, caOf(4_000) + caOf(41) + caOf(400))
  const server = await startTestServer({
    settings: { admin: { listen: { port: 0 } }, access: { mode: 'built-in', clientCertificates: { caFile } } },
  })
  t.after(() => server.stop())
  const authorization = `Bearer ${await makeToken(server.running, 'root', ['admin:*'])}`
  const endpoint = { url: `https://localhost:${server.running.adminPort}`, ca: server.ca, authorization }
  const row = async (): Promise<unknown[]> => {
    const { body } = await exchange(endpoint, { path: '/api/v1/expiry' })
    const rows = JSON.parse(body.toString()) as { what: string; daysLeft: number; todo: string }[]
    return rows.filter(({ what }) => what.startsWith('client CA')).map(({ what, daysLeft }) => [what, daysLeft])
  }
  assert.deepEqual(await row(), [['client CA', 39]])
  await rm(caFile)
  assert.deepEqual(await row(), [['client CA, which cannot be read', 0]])
})
