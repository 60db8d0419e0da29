import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, beforeEach, describe, test, type TestContext } from 'node:test'
import type * as Pkcs11 from 'pkcs11js'
import { Pkcs11Keys } from '../../src/signing/pkcs11/keys.ts'
import { Pkcs11Token } from '../../src/signing/pkcs11/token.ts'
import type { NewKey, KeyName } from '../../src/signing/signer.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { verifySignature } from '../../src/tuf/keys/signature.ts'
import { skipWithoutToken as skip, SoftToken } from '../support/soft-token.ts'

const GUN = parseGun('example.org/pkcs11')
const MESSAGE = Buffer.from('{"signed":"this"}')
const CKA_EC_POINT = 0x181

/** Answers a call of the library. @param real makes the call */
type Fault = (real: () => unknown) => unknown

/** Other tokens than SoftHSM, and worse days: the real library, in which single calls answer otherwise. */
describe('a PKCS#11 token', { skip }, () => {
  let soft: SoftToken
  let token: Pkcs11Token
  let keys: Pkcs11Keys
  /** By the name of the call. */
  let faults: Record<string, Fault> = {}
  let calls: string[] = []

  before(async () => {
    soft = await SoftToken.create()
  })
  after(() => soft.remove())
  beforeEach(async () => {
    ;[faults, calls] = [{}, []]
    const pin = (await readFile(soft.settings.pinFile, 'utf8')).trim()
    token = new Pkcs11Token(withFaults(), { ...soft.settings, pin })
    keys = new Pkcs11Keys(token)
  })

  function withFaults(): typeof Pkcs11 {
    const pkcs11 = createRequire(import.meta.url)('pkcs11js') as typeof Pkcs11
    const get = (module: Pkcs11.PKCS11, name: string | symbol): unknown => {
      const call = module[name as keyof Pkcs11.PKCS11] as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        calls.push(String(name))
        return (faults[String(name)] ?? ((real) => real()))(() => call.apply(module, args))
      }
    }
    const PKCS11 = function () {
      return new Proxy(new pkcs11.PKCS11(), { get })
    }
    return { ...pkcs11, PKCS11: PKCS11 as unknown as typeof Pkcs11.PKCS11 }
  }

  const refuses =
    (code: string): Fault =>
    () => {
      throw new Error(code)
    }
  const nameOf = ({ keyId }: NewKey): KeyName => ({ gun: GUN, role: 'timestamp', keyId })
  const create = (): NewKey => keys.create(GUN, 'timestamp', 'ecdsa')
  const sign = (key: NewKey): void => {
    const { method, sig } = keys.sign(nameOf(key), key.sealed, MESSAGE)
    assert.ok(verifySignature(key, method, sig, MESSAGE))
  }
  const count = (name: string): number => calls.filter((each) => each === name).length
  const objects = (): number =>
    token.use(({ module, session }) => {
      module.C_FindObjectsInit(session, [])
      const found = module.C_FindObjects(session, 100)
      module.C_FindObjectsFinal(session)
      return found.length
    })

  /** Answers a question for a public point as another token would. */
  const point =
    (change: (bytes: Buffer) => Buffer): Fault =>
    (real) => {
      const [attribute] = real() as Pkcs11.Template
      assert.ok(Buffer.isBuffer(attribute?.value))
      return attribute.type === CKA_EC_POINT ? [{ ...attribute, value: change(attribute.value) }] : [attribute]
    }

  test('a key that cannot be finished leaves nothing in the token', () => {
    const before = objects()
    let named = 0
    const cases: Record<string, [call: string, fault: Fault]> = {
      'refused: CKR_ATTRIBUTE_READ_ONLY': [
        'C_SetAttributeValue',
        (real) => ((named += 1) % 2 === 0 ? refuses('CKR_ATTRIBUTE_READ_ONLY')(real) : real()),
      ],
      'do not match its public key': ['C_Sign', (real) => (real() as Buffer).fill(1)],
      'gives a public key of 3 bytes': ['C_GetAttributeValue', point(() => Buffer.alloc(3))],
    }
    for (const [message, [call, fault]] of Object.entries(cases)) {
      faults = { [call]: fault }
      assert.throws(create, { code: 'SIGNING_FAILED', message: new RegExp(`${message}$`) })
      faults = {}
      assert.equal(objects(), before, message)
    }
  })

  test('a public point without its OCTET STRING, as some tokens give it, is the same key', () => {
    const key = create()
    faults = { C_GetAttributeValue: point((bytes) => bytes.subarray(2)) }
    keys = new Pkcs11Keys(token)
    sign(key)
    sign(create())
  })

  test('after any refusal of the PIN, it is not tried again', (t) => {
    for (const code of [
      'CKR_PIN_INCORRECT',
      'CKR_PIN_LOCKED',
      'CKR_PIN_EXPIRED',
      'CKR_PIN_INVALID',
      'CKR_PIN_LEN_RANGE',
    ]) {
      const refused = new Pkcs11Token(withFaults(), { ...soft.settings, pin: 'wrong' })
      faults = { C_Login: refuses(code) }
      calls = []
      for (let later = 0; later < 3; later += 1) {
        assert.throws(() => refused.probe(), {
          code: 'BAD_KEYS',
          message: new RegExp(`does not accept the PIN: ${code}$`),
        })
        pass(t, 3_600_000)
      }
      assert.equal(count('C_Login'), 1, code)
    }
  })

  test('another token that cannot be read is no obstacle; if it may be the right one, it is named as the reason', (t) => {
    let ours = true
    faults = {
      C_GetTokenInfo(real) {
        const info = real() as Pkcs11.TokenInfo
        if (ours && info.label.trim() === soft.settings.tokenLabel) return info
        throw new Error('CKR_DEVICE_ERROR')
      },
    }
    sign(create())
    ours = false
    assert.throws(() => token.probe(), { code: 'SIGNER_UNAVAILABLE', message: /cannot be reached: CKR_DEVICE_ERROR$/ })
    ours = true
    pass(t, 1_000)
    token.probe()
  })

  test('a lost session is noticed by a probe; then keys are searched for anew', () => {
    const key = create()
    sign(key)
    const before = count('C_FindObjects')
    sign(key)
    assert.equal(count('C_FindObjects'), before)
    faults = {
      C_GetSessionInfo: (real) => (delete faults['C_GetSessionInfo'], refuses('CKR_SESSION_HANDLE_INVALID')(real)),
    }
    token.probe()
    assert.equal(count('C_OpenSession'), 2)
    sign(key)
    assert.ok(count('C_FindObjects') > before)
  })

  test('a token that looks empty because it was removed is away; its keys are not missing', () => {
    const key = create()
    keys = new Pkcs11Keys(token)
    const away = refuses('CKR_TOKEN_NOT_PRESENT')
    faults = { C_FindObjects: () => [], C_GetTokenInfo: away }
    const refused = { code: 'SIGNER_UNAVAILABLE', message: /cannot be reached: CKR_TOKEN_NOT_PRESENT$/ }
    assert.throws(() => sign(key), refused)
    // Then it is not asked again for a while, not even over the lost connection.
    ;[faults, calls] = [{}, []]
    assert.throws(() => keys.fault(nameOf(key), key.sealed, 'sign'), refused)
    assert.deepEqual(calls, [])
  })

  test('a token can be named by the number of its slot', () => {
    const { slot: number } = token.use(({ slot }) => ({ slot: slot.readUIntLE(0, 4) }))
    const numbered = (slot: number): Pkcs11Token =>
      new Pkcs11Token(withFaults(), { library: soft.settings.library, slot, pin: 'any' })
    numbered(number).probe()
    assert.throws(() => numbered(number + 1).probe(), {
      code: 'SIGNER_UNAVAILABLE',
      message: new RegExp(`no token in slot ${number + 1}$`),
    })
  })
})

/** Lets milliseconds pass. */
function pass(t: TestContext, milliseconds: number): void {
  const now = performance.now() + milliseconds
  t.mock.method(performance, 'now', () => now)
}
