import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeMetadata } from '../../src/tuf/made-metadata.ts'
import { parseMetadata } from '../../src/tuf/metadata.ts'

const PAYLOAD = {
  _type: 'Targets',
  delegations: { keys: {}, roles: [] },
  expires: '2029-11-29T08:00:00Z',
  targets: {},
  version: 1,
}

test('no document is made with more signatures than the parser accepts', async () => {
  const signatures = (count: number): { keyid: string; method: string; sig: string }[] =>
    Array.from({ length: count }, (_, index) => ({ keyid: String(index), method: 'ecdsa', sig: 'AAAA' }))
  const made = makeMetadata('targets', PAYLOAD)
  const { bytes } = await made.complete(signatures(100))
  assert.equal(parseMetadata('targets', bytes).signatures.length, 100)
  await assert.rejects(made.complete(signatures(101)), {
    code: 'INVALID_UPDATE',
    message: /targets would have more than 100 signatures/,
  })
})
