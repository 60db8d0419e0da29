import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { checksumsBeside, checksumsOf } from '../../src/tuf/checksum.ts'

test('checksums are the same wherever they are computed, also of part of a buffer', async () => {
  const buffer = randomBytes(100_000)
  for (const [start, end] of [
    [0, 0],
    [0, 100],
    [7, 32_775],
    [7, 32_774],
    [0, 100_000],
  ] as const) {
    const bytes = buffer.subarray(start, end)
    assert.deepEqual(await checksumsBeside(bytes), checksumsOf(bytes))
  }
  // FIPS 180-2, appendices B.1 and C.1.
  assert.deepEqual(checksumsOf(Buffer.from('abc')), {
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    sha512: '3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==',
    length: 3,
  })
})

test('checksums are of the bytes at the time of the call, even if the buffer changes later', async () => {
  const bytes = randomBytes(64 * 1024)
  const expected = checksumsOf(bytes)
  const beside = checksumsBeside(bytes)
  bytes.fill(0)
  assert.deepEqual(await beside, expected)
})
