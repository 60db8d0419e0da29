import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError, type TrustErrorCode } from '../../src/errors.ts'
import { ERROR_BODY_MAX_BYTES, errorBody, tokenErrorBody, WIRE_ERRORS, wireErrorOf } from '../../src/http/errors.ts'

const codes = Object.keys(WIRE_ERRORS) as TrustErrorCode[]

interface Envelope {
  readonly errors: [
    { code: string; message: string; detail?: { Name?: string; Error?: { Missing?: string; Msg?: string } } },
  ]
}

const bodyOf = (error: unknown): Envelope['errors'][0] => {
  const text = errorBody(error)
  assert.ok(text.endsWith('}\n'))
  assert.ok(Buffer.byteLength(text) <= ERROR_BODY_MAX_BYTES)
  const { errors, ...rest } = JSON.parse(text) as Envelope
  assert.deepEqual(rest, {})
  assert.equal(errors.length, 1)
  return errors[0]
}

test('statuses and codes (wire spec §4)', () => {
  const expected: Record<string, [number, string]> = {
    NOT_FOUND: [404, 'METADATA_NOT_FOUND'],
    BUSY: [429, 'TOOMANYREQUESTS'],
    CONFLICT: [503, 'UNAVAILABLE'],
    STORE_UNAVAILABLE: [503, 'UNAVAILABLE'],
    STOPPING: [503, 'UNAVAILABLE'],
    CORRUPT: [503, 'UNAVAILABLE'],
    CLOCK: [503, 'UNAVAILABLE'],
    REGISTRY: [502, 'UNKNOWN'],
    SIGNER_UNAVAILABLE: [503, 'UNAVAILABLE'],
    SIGNING_FAILED: [500, 'UNKNOWN'],
    UNAUTHENTICATED: [401, 'UNAUTHORIZED'],
    FORBIDDEN: [403, 'DENIED'],
    POLICY: [403, 'DENIED'],
    PRECONDITION: [412, 'PRECONDITION_FAILED'],
    WRONG_STATE: [409, 'CONFLICT'],
  }
  const inWords = ['MALFORMED_UPLOAD', 'NO_FILENAME', 'INVALID_ROLE', 'MALFORMED_JSON', 'INVALID_UPDATE', 'VERSION']
  for (const code of [...inWords, 'INVALID_GUN', 'INVALID_PARAMETERS']) expected[code] = [400, code]
  for (const code of codes) {
    const { status, code: wireCode } = wireErrorOf(new TrustError(code, 'text'))
    assert.deepEqual([status, wireCode], expected[code] ?? [500, 'UNKNOWN'], code)
  }
})

test('only a missing resource gives 404', () => {
  // Clients take 404 for "create a new repository" (wire spec §14.2).
  assert.deepEqual(
    codes.filter((code) => WIRE_ERRORS[code].status === 404),
    ['NOT_FOUND'],
  )
})

test('an error worth retrying has Retry-After', () => {
  for (const code of codes) {
    const { status, retryAfter } = WIRE_ERRORS[code]
    assert.equal(retryAfter !== undefined, status === 429 || status === 503, code)
  }
})

test('members, their order, and the final newline', () => {
  assert.equal(
    errorBody(new TrustError('VERSION', 'version 2 is stored')),
    '{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.",' +
      '"detail":{"Name":"ErrValidation","Error":{"Msg":"version 2 is stored"}}}]}\n',
  )
  assert.equal(
    errorBody(new TrustError('INVALID_UPDATE', 'none', { problem: { name: 'ErrBadHierarchy', missing: 'snapshot' } })),
    '{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.",' +
      '"detail":{"Name":"ErrBadHierarchy","Error":{"Missing":"snapshot","Msg":"none"}}}]}\n',
  )
  assert.deepEqual(bodyOf(new TrustError('NOT_FOUND', 'x')).detail, {})
})

test('every 400 has the object that clients print', () => {
  for (const code of codes.filter((each) => WIRE_ERRORS[each].status === 400)) {
    const { detail } = bodyOf(new TrustError(code, 'what is wrong'))
    assert.deepEqual(detail, { Name: 'ErrValidation', Error: { Msg: 'what is wrong' } }, code)
  }
})

test('an internal error has no details', () => {
  const secret = 'a path, a stack, a key'
  for (const error of [
    new Error(secret),
    new TypeError(secret),
    secret,
    undefined,
    null,
    { status: 404, expose: true, message: secret },
    ...codes.filter((code) => WIRE_ERRORS[code].status >= 500).map((code) => new TrustError(code, secret)),
  ]) {
    assert.equal(bodyOf(error).detail, undefined)
    for (const body of [errorBody, tokenErrorBody]) assert.doesNotMatch(body(error), /a path/)
    assert.ok(wireErrorOf(error).status >= 500)
  }
})

test('characters that Go escapes are escaped, and no text breaks out of its string', () => {
  const text = '<b>&amp;\u2028\u2029"\\\u0000\u001b[31m\r\n'
  const body = errorBody(new TrustError('MALFORMED_JSON', text))
  assert.equal(bodyOf(new TrustError('MALFORMED_JSON', text)).detail?.Error?.Msg, text)
  assert.match(body, /\\u003cb\\u003e\\u0026amp;\\u2028\\u2029\\"\\\\\\u0000\\u001b/)
  for (const character of body.slice(0, -1)) assert.ok(character >= ' ' && !'<>&\u2028\u2029'.includes(character))
})

test('a long text is cut so that clients can still parse the body', () => {
  for (const unit of ['x', '<', 'ü', '\u{1F600}', '"', '\u0000', '\u2028']) {
    for (const length of [600, 900, 1_000, 5_000, 100_000]) {
      const { detail } = bodyOf(
        new TrustError('INVALID_UPDATE', unit.repeat(length), { problem: { name: 'ErrBadRoot' } }),
      )
      const message = detail?.Error?.Msg ?? ''
      assert.ok(message.isWellFormed())
      assert.ok(message.length > 100, `${unit} ${length}: only ${message.length} characters are left`)
      assert.ok(message.startsWith(unit))
    }
  }
})
