import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMetadata, type Metadata } from '../../src/tuf/metadata.ts'
import { checkThreshold } from '../../src/tuf/keys/threshold.ts'
import { fileJson } from '../support/canonical-json.ts'
import { envelope, signaturesOf } from '../support/metadata-file.ts'
import { makeKey } from '../support/test-key.ts'

const key = makeKey('ecdsa')
const { keytype, keyval } = key.entry
const role = { keys: new Map([[key.id, { keytype, public: keyval.public }]]), threshold: 1 }

/** As notary writes them: it signs custom data in the form that its file has. */
function targets(custom: string, sign: (text: string) => string = (text) => text): Metadata {
  const signed = fileJson({ _type: 'Targets', expires: '2030-01-01T00:00:00Z', targets: { v1: 'HERE' }, version: 1 })
  const text = signed.replace('"HERE"', custom)
  return parseMetadata('targets', envelope(text, signaturesOf(sign(text), [key])))
}

function refusal(metadata: Metadata): string {
  let said = ''
  checkThreshold(metadata, role, (text) => {
    said = text
    throw new Error(text)
  })
  return said
}

for (const custom of ['{"b":1,"a":2}', '{"a":"\\u003c"}', String.raw`{"a":"\/"}`]) {
  test(`custom data ${custom}: the refusal names it when it is the reason`, () => {
    assert.throws(
      () => refusal(targets(custom)),
      /^Error: valid .* for targets: .* custom data must have sorted members/,
    )
    const stranger = targets(custom, (text) => `${text} `)
    assert.throws(() => refusal(stranger), /^Error: valid signatures did not meet threshold for targets$/)
  })
}

test('canonical custom data verifies, and so does other data if its canonical form was signed', () => {
  assert.equal(refusal(targets('{"a":2,"b":1}')), '')
  assert.equal(refusal(targets('{"b":1,"a":2}', (text) => text.replace('{"b":1,"a":2}', '{"a":2,"b":1}'))), '')
})
