import { createHash, sign } from 'node:crypto'
import { canonicalJson } from '../support/canonical-json.ts'
import { envelope, signaturesOf, type SignatureEntry } from '../support/metadata-file.ts'
import { makeKey, signWith, type TestKey } from '../support/test-key.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import { bad, MALFORMED_JSON, OK, SIGNED_ROLES, spoil, uploadCase, type Case, type Expected } from './case.ts'

/** What a forger starts from: the canonical payload, its text in the file, and the key that should sign it. */
interface Draft {
  readonly message: Buffer
  readonly text: string
  readonly key: TestKey
  readonly good: SignatureEntry
  readonly world: TrustWorld
}

type Forge = (draft: Draft) => SignatureEntry[]

function signedBy(forge: Forge, role: string): (world: TrustWorld) => ReturnType<typeof spoil> {
  return (world) =>
    spoil(world, role, (file) => {
      const text = file.slice('{"signed":'.length, file.lastIndexOf(',"signatures":'))
      const canonical = canonicalJson(JSON.parse(text))
      const key = world.signers.get(role)?.[0]
      const [good] = key === undefined ? [] : signaturesOf(canonical, [key])
      if (key === undefined || good === undefined) throw new Error(`nobody signs ${role}`)
      return envelope(text, forge({ message: Buffer.from(canonical), text, key, good, world }))
    })
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const bytesOf = ({ sig }: SignatureEntry): Buffer => Buffer.from(sig, 'base64')

/** S1: signatures that no verifier may count; P-256 keys sign all three roles. */
const INVALID: Record<string, Forge> = {
  'no signature': () => [],
  'a signature over other content': ({ key, good }) => [{ ...good, sig: base64(key.sign(Buffer.from('other'))) }],
  'a signature over the canonical form and a newline': ({ key, good, message }) => [
    { ...good, sig: base64(key.sign(Buffer.concat([message, Buffer.from('\n')]))) },
  ],
  'a signature over the digest': ({ key, good, message }) => [
    { ...good, sig: base64(key.sign(createHash('sha256').update(message).digest())) },
  ],
  'a signature with SHA-512': ({ key, good, message }) => [
    { ...good, sig: base64(sign('sha512', message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })) },
  ],
  'a signature in DER': ({ key, good, message }) => [{ ...good, sig: base64(sign('sha256', message, key.privateKey)) }],
  'an unknown key under its own id': ({ message }) => signaturesOf(message.toString(), [makeKey('ecdsa')]),
  'an unknown key under the right id': ({ good, message }) => [
    { ...good, sig: base64(makeKey('ecdsa').sign(message)) },
  ],
  "another role's key under its own id": ({ message, key, world }) =>
    signaturesOf(message.toString(), otherKeys(world, key)),
  "another role's key under the right id": ({ good, message, key, world }) =>
    otherKeys(world, key).map((other) => ({ ...good, sig: base64(other.sign(message)) })),
  'an ed25519 signature under the right id': ({ good, message }) => [
    { ...good, method: 'eddsa', sig: base64(makeKey('ed25519').sign(message)) },
  ],
  'the key id in upper case': ({ good }) => [{ ...good, keyid: good.keyid.toUpperCase() }],
  'the key id cut short': ({ good }) => [{ ...good, keyid: good.keyid.slice(0, 63) }],
  'an empty key id': ({ good }) => [{ ...good, keyid: '' }],
  'the method rsapss': ({ good }) => [{ ...good, method: 'rsapss' }],
  'the method eddsa': ({ good }) => [{ ...good, method: 'eddsa' }],
  'the method none': ({ good }) => [{ ...good, method: 'none' }],
  'the method HS256, keyed with the public key': ({ good, key, message }) => [
    {
      ...good,
      method: 'hs256',
      sig: base64(createHash('sha256').update(key.entry.keyval.public).update(message).digest()),
    },
  ],
  'an empty method': ({ good }) => [{ ...good, method: '' }],
  'an empty signature': ({ good }) => [{ ...good, sig: '' }],
  'a signature one byte short': ({ good }) => [{ ...good, sig: base64(bytesOf(good).subarray(0, 63)) }],
  'a signature one byte long': ({ good }) => [
    { ...good, sig: base64(Buffer.concat([bytesOf(good), Buffer.alloc(1)])) },
  ],
  'a signature of zeros': ({ good }) => [{ ...good, sig: base64(Buffer.alloc(64)) }],
  'a signature of ones': ({ good }) => [{ ...good, sig: base64(Buffer.alloc(64, 0xff)) }],
  'r and s swapped': ({ good }) => {
    const sig = bytesOf(good)
    return [{ ...good, sig: base64(Buffer.concat([sig.subarray(32), sig.subarray(0, 32)])) }]
  },
}

function otherKeys(world: TrustWorld, key: TestKey): TestKey[] {
  return [...world.signers.values()]
    .flat()
    .filter((other) => other.id !== key.id)
    .slice(0, 1)
}

/** S2: other spellings of a valid signature. */
const SPELLINGS: [string, Expected, Forge][] = [
  ['in url-safe base64', MALFORMED_JSON, (draft) => [urlSafe(draft)]],
  ['without padding', MALFORMED_JSON, ({ good }) => [{ ...good, sig: good.sig.replace(/=+$/, '') }]],
  // Go's decoder skips line ends, but no client writes them, and one spelling is enough.
  ['with a newline in the base64', MALFORMED_JSON, ({ good }) => [{ ...good, sig: spaced(good, '\n') }]],
  ['with a blank in the base64', MALFORMED_JSON, ({ good }) => [{ ...good, sig: spaced(good, ' ') }]],
  ['in hexadecimal', MALFORMED_JSON, ({ good }) => [{ ...good, sig: `${bytesOf(good).toString('hex')}0` }]],
  ['with the method in upper case', OK, ({ good }) => [{ ...good, method: 'ECDSA' }]],
  ['twice', OK, ({ good }) => [good, good]],
  ['after a bad one by the same key', OK, ({ good }) => [{ ...good, sig: base64(Buffer.alloc(64)) }, good]],
  [
    'beside one by a stranger',
    OK,
    ({ good, message }) => [...signaturesOf(message.toString(), [makeKey('rsa')]), good],
  ],
  ['with the other s', OK, ({ good }) => [{ ...good, sig: base64(otherS(bytesOf(good))) }]],
  // The last digit has four unused bits, so the same bytes have other spellings.
  ['with other bits after the last byte', MALFORMED_JSON, ({ good }) => [{ ...good, sig: trailingBits(good.sig) }]],
]

/** Signs again until the two alphabets differ. */
function urlSafe({ good, key, message }: Draft): SignatureEntry {
  let sig = good.sig
  while (!/[+/]/.test(sig)) sig = base64(signWith(key.privateKey, good.method, message))
  return { ...good, sig: sig.replaceAll('+', '-').replaceAll('/', '_') }
}

function spaced({ sig }: SignatureEntry, space: string): string {
  return `${sig.slice(0, 40)}${space}${sig.slice(40)}`
}

/** The order of P-256's group. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Returns the second valid form: (r, s) and (r, n − s) both verify. */
function otherS(sig: Buffer): Buffer {
  const s = ORDER - BigInt(`0x${sig.subarray(32).toString('hex')}`)
  return Buffer.concat([sig.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
}

/** Changes unused bits: 64 bytes end within a base64 digit, whose lower four bits mean nothing. */
function trailingBits(sig: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const last = digits.indexOf(sig.at(-3) ?? '')
  return `${sig.slice(0, -3)}${digits[last | 1]}==`
}

export const signatures = (): Case[] =>
  SIGNED_ROLES.flatMap((role) => [
    ...Object.entries(INVALID).map(([what, forge]) =>
      uploadCase('S1', `${role} with ${what}`, bad(role), signedBy(forge, role)),
    ),
    ...SPELLINGS.map(([what, expected, forge]) => {
      const name = `${role} with its signature ${what}${expected === OK ? ': accepted' : ''}`
      return uploadCase('S2', name, expected, signedBy(forge, role))
    }),
  ])
