import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { withoutStackTraces } from '../../src/tuf/asn1/without-stack-traces.ts'

test('errors have no stack trace inside withoutStackTraces, and have one again after it returns or throws', () => {
  const before = Error.stackTraceLimit
  const inside = withoutStackTraces(() => new Error('inside'))
  assert.equal(inside.stack, 'Error: inside')
  assert.throws(() =>
    withoutStackTraces(() => createPrivateKey({ key: Buffer.from('no key'), format: 'der', type: 'pkcs8' })),
  )
  assert.equal(Error.stackTraceLimit, before)
  assert.match(new Error('outside').stack ?? '', /\n +at .*without-stack-traces\.test/)
})
