import {
  createHash,
  createHmac,
  generateKeyPairSync,
  sign,
  type JsonWebKey,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from 'node:crypto'

/** Keys of the tests' token service, by their ids in its key set. */
export interface ServiceKeys {
  readonly p256: KeyPairKeyObjectResult
  readonly p384: KeyPairKeyObjectResult
  readonly rsa: KeyPairKeyObjectResult
  readonly ed: KeyPairKeyObjectResult
}

export function makeServiceKeys(): ServiceKeys {
  return {
    p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ed: generateKeyPairSync('ed25519'),
  }
}

/** The key set as the service publishes it. */
export function keySetOf(keys: Readonly<Record<string, KeyPairKeyObjectResult>>): { keys: JsonWebKey[] } {
  const entries = Object.entries(keys)
  return { keys: entries.map(([kid, { publicKey }]) => ({ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' })) }
}

/** The algorithm of each test key. */
export const ALGORITHMS: Readonly<Record<keyof ServiceKeys, string>> = {
  p256: 'ES256',
  p384: 'ES384',
  rsa: 'RS256',
  ed: 'EdDSA',
}

export function base64url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64url')
}

/** Signs a text as RFC 7518 specifies. */
export function signature(algorithm: string, key: KeyObject, text: string): Buffer {
  const bytes = Buffer.from(text)
  if (algorithm === 'EdDSA') return sign(null, bytes, key)
  const hash = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('HS')) return createHmac(hash, key).update(bytes).digest()
  if (algorithm.startsWith('PS'))
    return sign(hash, bytes, { key, padding: 6, saltLength: createHash(hash).digest().length })
  return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' })
}

/** Makes a compact token of these two texts, whatever they contain. */
export function forge(header: string, payload: string, algorithm: string, key: KeyObject): string {
  const signed = `${base64url(header)}.${base64url(payload)}`
  return `${signed}.${base64url(signature(algorithm, key, signed))}`
}
