import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createAccess, type Access } from '../../src/access/access.ts'
import type { PublicTokenKey } from '../../src/access/token-signature.ts'
import { TokenRefused } from '../../src/access/web-token.ts'
import { localTrustFor } from '../support/local-trust.ts'
import { forge } from './token-forge.ts'

const NOW = Date.UTC(2026, 10, 27)
const HOUR = 3600

test('a removed key is refused within a minute, however long its tokens live', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const keys: PublicTokenKey[] = [{ key: publicKey, algorithm: 'EdDSA' }]
  const local = await localTrustFor(t, NOW)
  const { clock } = local
  const access: Access = createAccess({
    directory: local.trust.store,
    now: () => clock.now,
    passwords: { check: async () => undefined },
    external: { issuer: 'issuer', service: 'notary', findKey: async () => keys[0] },
    userOfCertificate: () => undefined,
  })
  const claims = { iss: 'issuer', sub: 'alice', aud: 'notary', exp: NOW / 1000 + HOUR, access: [] }
  const token = forge('{"alg":"EdDSA","typ":"JWT","kid":"k"}', JSON.stringify(claims), 'EdDSA', privateKey)

  assert.equal(access.bearerAtOnce(token), undefined)
  assert.equal((await access.bearer(token)).name, 'external:alice')
  assert.equal(access.bearerAtOnce(token)?.name, 'external:alice')
  keys.length = 0
  clock.now = NOW + 60_000
  assert.equal((await access.bearer(token)).name, 'external:alice')
  clock.now = NOW + 60_001
  assert.equal(access.bearerAtOnce(token), undefined)
  await assert.rejects(access.bearer(token), TokenRefused)
})
