import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGun } from '../../src/tuf/gun.ts'
import { aliveFrom, type Root } from '../../src/tuf/root.ts'
import { issueCertificate } from '../support/certificate.ts'
import { makeKey } from '../support/test-key.ts'

const GUN = parseGun('docker.io/acme/app')
const DAY = 86_400_000
const NOW = Date.parse('2026-11-30T00:00:00Z')

test('aliveFrom looks at no more than eight times, since each look reads all keys of the root', () => {
  const keys = Array.from({ length: 9 }, (_, index): [string, { keytype: string; public: string }] => {
    const { privateKey, publicKey } = makeKey('ecdsa')
    const [notBefore, notAfter] = [NOW + (index + 2) * DAY, NOW + 1000 * DAY]
    const pem = issueCertificate({ commonName: GUN, publicKey, signer: privateKey, notBefore, notAfter })
    return [String(index), { keytype: 'ecdsa-x509', public: Buffer.from(pem).toString('base64') }]
  })
  const rootOf = (threshold: number): Root => {
    const named = { keys: new Map(keys), threshold }
    return { roles: { root: named, targets: named, snapshot: named, timestamp: named } } as unknown as Root
  }
  // Clients accept a certificate from a day before its start.
  assert.equal(aliveFrom(rootOf(1), GUN, NOW), NOW + DAY)
  assert.equal(aliveFrom(rootOf(1), GUN, NOW + DAY), undefined)
  assert.equal(aliveFrom(rootOf(8), GUN, NOW), NOW + 8 * DAY)
  assert.equal(aliveFrom(rootOf(9), GUN, NOW), undefined)
})
