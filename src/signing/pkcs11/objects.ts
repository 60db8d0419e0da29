import type * as Pkcs11 from 'pkcs11js'
import { OCTET_STRING } from '../../tuf/asn1/der.ts'
import type { KeyAlgorithm } from '../signer.ts'
import type { Connection } from './token.ts'

/** Makes, names, finds and uses key pairs in a token, without knowing whose they are. */

/** Constants of PKCS#11, version 3.1. */
const CKO_PUBLIC_KEY = 0x2
const CKO_PRIVATE_KEY = 0x3
const CKA_CLASS = 0x0
const CKA_TOKEN = 0x1
const CKA_PRIVATE = 0x2
const CKA_LABEL = 0x3
const CKA_KEY_TYPE = 0x100
const CKA_ID = 0x102
const CKA_SENSITIVE = 0x103
const CKA_SIGN = 0x108
const CKA_VERIFY = 0x10a
const CKA_EXTRACTABLE = 0x162
const CKA_EC_PARAMS = 0x180
const CKA_EC_POINT = 0x181
const CKK_EC_EDWARDS = 0x40

/** Mechanisms, the curve's object identifier in DER, and bytes of a public point. */
const CURVES = {
  ecdsa: { make: 0x1040, sign: 0x1041, oid: '06082a8648ce3d030107', pointBytes: 65 },
  ed25519: { make: 0x1055, sign: 0x1057, oid: '06032b6570', pointBytes: 32 },
} as const
/** r ‖ s of P-256, and R ‖ S of ed25519. */
const SIGNATURE_BYTES = 64

/** A key pair in a token. */
export interface Pair {
  readonly algorithm: KeyAlgorithm
  /** The uncompressed P-256 point, 65 bytes, or the 32 bytes of ed25519. */
  readonly point: Buffer
  readonly publicKey: Pkcs11.Handle
  readonly privateKey: Pkcs11.Handle
}

/** Makes a key pair that cannot be extracted from the token. Name it with `namePair`, as its id follows from the key. */
export function makePair(connection: Connection, algorithm: KeyAlgorithm): Pair {
  const { module, session } = connection
  const { make, oid } = CURVES[algorithm]
  const shared = [
    { type: CKA_TOKEN, value: true },
    { type: CKA_LABEL, value: 'countersign, unfinished' },
  ]
  const halves = module.C_GenerateKeyPair(
    session,
    { mechanism: make },
    [
      ...shared,
      { type: CKA_PRIVATE, value: false },
      { type: CKA_VERIFY, value: true },
      { type: CKA_EC_PARAMS, value: Buffer.from(oid, 'hex') },
    ],
    [
      ...shared,
      { type: CKA_PRIVATE, value: true },
      { type: CKA_SENSITIVE, value: true },
      { type: CKA_EXTRACTABLE, value: false },
      { type: CKA_SIGN, value: true },
    ],
  )
  try {
    return { algorithm, point: pointOf(connection, halves.publicKey, algorithm), ...halves }
  } catch (error) {
    removePair(connection, halves)
    throw error
  }
}

/** Sets a pair's id and label. @param id CKA_ID, hex */
export function namePair({ module, session }: Connection, pair: Pair, id: string, label: string): void {
  for (const key of [pair.publicKey, pair.privateKey]) {
    module.C_SetAttributeValue(session, key, [
      { type: CKA_ID, value: Buffer.from(id, 'hex') },
      { type: CKA_LABEL, value: label },
    ])
  }
}

export function removePair(
  { module, session }: Connection,
  { publicKey, privateKey }: Pick<Pair, 'publicKey' | 'privateKey'>,
): void {
  module.C_DestroyObject(session, publicKey)
  module.C_DestroyObject(session, privateKey)
}

/** Finds a pair by its id. @param id CKA_ID, hex @returns undefined if there is none, or more than one */
export function findPair(connection: Connection, id: string): Pair | undefined {
  const publicKey = findOne(connection, CKO_PUBLIC_KEY, id)
  const privateKey = findOne(connection, CKO_PRIVATE_KEY, id)
  if (publicKey === undefined || privateKey === undefined) return undefined
  const type = attributeOf(connection, publicKey, CKA_KEY_TYPE)
  const algorithm = type.readUIntLE(0, 4) === CKK_EC_EDWARDS ? 'ed25519' : 'ecdsa'
  return { algorithm, point: pointOf(connection, publicKey, algorithm), publicKey, privateKey }
}

/** @param input the SHA-256 of the message for ecdsa, the message itself for ed25519 */
export function signWith({ module, session }: Connection, { algorithm, privateKey }: Pair, input: Buffer): Buffer {
  module.C_SignInit(session, { mechanism: CURVES[algorithm].sign }, privateKey)
  return module.C_Sign(session, input, Buffer.alloc(SIGNATURE_BYTES))
}

function findOne({ module, session }: Connection, kind: number, id: string): Pkcs11.Handle | undefined {
  module.C_FindObjectsInit(session, [
    { type: CKA_CLASS, value: kind },
    { type: CKA_ID, value: Buffer.from(id, 'hex') },
  ])
  try {
    const found = module.C_FindObjects(session, 2)
    return found.length === 1 ? found[0] : undefined
  } finally {
    module.C_FindObjectsFinal(session)
  }
}

function attributeOf({ module, session }: Connection, object: Pkcs11.Handle, type: number): Buffer {
  const [attribute] = module.C_GetAttributeValue(session, object, [{ type }])
  if (Buffer.isBuffer(attribute?.value)) return attribute.value
  throw new Error(`the token does not give attribute 0x${type.toString(16)} of a public key`)
}

/** Returns the point, without its OCTET STRING, which some tokens leave out. */
function pointOf(connection: Connection, publicKey: Pkcs11.Handle, algorithm: KeyAlgorithm): Buffer {
  const { pointBytes } = CURVES[algorithm]
  const value = attributeOf(connection, publicKey, CKA_EC_POINT)
  const wrapped = value.length === pointBytes + 2 && value[0] === OCTET_STRING && value[1] === pointBytes
  const point = wrapped ? value.subarray(2) : value
  if (point.length !== pointBytes) throw new Error(`the token gives a public key of ${value.length} bytes`)
  return Buffer.from(point)
}
