import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { JsonObject } from '../../src/tuf/json/json.ts'
import { makeMetadata } from '../../src/tuf/made-metadata.ts'
import { parseMetadata, type Metadata } from '../../src/tuf/metadata.ts'
import { derSignature, fixedSignature } from '../../src/tuf/asn1/signature-form.ts'
import { formatTime } from '../../src/tuf/time.ts'

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text.isWellFormed())
const payload: fc.Arbitrary<JsonObject> = fc.record({
  _type: fc.constant('Targets'),
  expires: fc.nat({ max: 4e12 }).map(formatTime),
  version: fc.nat(),
  targets: fc.dictionary(name, fc.record({ length: fc.nat(), custom: name })),
})
const signatures = fc.array(
  fc.record({
    keyid: fc.constantFrom('ab', 'cd'),
    method: fc.constantFrom('eddsa', 'ecdsa'),
    sig: fc.uint8Array({ maxLength: 70 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  }),
  { maxLength: 3 },
)

test('a document made here equals the one parsed from its bytes', async () => {
  const compared = ({ signed, message, ...rest }: Metadata): unknown => ({
    ...rest,
    // Only parsed documents have it.
    read: undefined,
    signed: JSON.parse(JSON.stringify(signed)) as unknown,
    message: Buffer.from(message()).toString(),
  })
  await fc.assert(
    fc.asyncProperty(payload, signatures, async (signed, list) => {
      const made = await makeMetadata('targets', signed).complete(list)
      assert.deepEqual(compared(made), compared(parseMetadata('targets', made.bytes)))
    }),
  )
})

test('a payload without type, version or expiry is a bug and throws TypeError', () => {
  for (const missing of ['_type', 'expires', 'version']) {
    const whole: JsonObject = { _type: 'Targets', expires: '2026-11-26T00:00:00Z', version: 1 }
    assert.throws(() => makeMetadata('targets', { ...whole, [missing]: null }), TypeError, missing)
  }
})

test('a document too large to be parsed again is not made', async () => {
  const signature = { keyid: 'ab', method: 'ecdsa', sig: 'AAAA' }
  const withTags = (count: number): Promise<Metadata> => {
    const entries = Array.from({ length: count }, (_, at) => [`v${at}`, { hashes: { sha256: 'AAAA' }, length: 7 }])
    const targets = Object.fromEntries(entries) as JsonObject
    const signed = { _type: 'Targets', expires: '2026-11-26T00:00:00Z', targets, version: 1 }
    return makeMetadata('targets', signed).complete([signature])
  }
  const most = 49_997
  const { bytes } = await withTags(most)
  assert.equal(Object.keys(parseMetadata('targets', bytes).signed['targets'] ?? {}).length, most)
  await assert.rejects(withTags(most + 1), {
    code: 'INVALID_UPDATE',
    problem: { name: 'ErrBadTargets' },
    message: 'targets would have more than 200000 members and list elements, some 50000 tags',
  })
})

test('signatures convert between DER and r ‖ s without loss, also with short numbers', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // Some of 2,000 signatures have leading zeros in r or s.
  for (let round = 0; round < 2_000; round += 1) {
    const message = Buffer.from(String(round))
    const der = sign('sha256', message, privateKey)
    const fixed = fixedSignature(der, 32)
    assert.deepEqual(derSignature(fixed), der)
    if (round < 20) assert.ok(verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, fixed))
  }
  assert.throws(() => fixedSignature(Buffer.from('3006020101020101ff', 'hex'), 32), TypeError)
  assert.throws(() => fixedSignature(Buffer.from('3003020101', 'hex'), 32), TypeError)
})
