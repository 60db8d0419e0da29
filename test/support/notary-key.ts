import { createDecipheriv, createPrivateKey, pbkdf2Sync, type KeyObject } from 'node:crypto'

/** RFC 3394. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6)
const TAG_BYTES = 16

interface Header {
  readonly alg: string
  readonly enc: string
  readonly p2c: number
  readonly p2s: string
}

/** Open a P-256 key as Notary's signer stores it: a JWE under a passphrase around SEC1 DER (wire spec §18.2). */
export function openNotaryKey(jwe: string, passphrase: string): KeyObject {
  const [header = '', wrapped = '', iv = '', sealed = '', tag = ''] = jwe.split('.')
  const { alg, enc, p2c, p2s } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as Header
  if (alg !== 'PBES2-HS256+A128KW' || enc !== 'A256GCM') throw new Error(`not a key of Notary's signer: ${alg} ${enc}`)
  const salt = Buffer.concat([Buffer.from(`${alg}\0`), Buffer.from(p2s, 'base64url')])
  const unwrap = createDecipheriv('id-aes128-wrap', pbkdf2Sync(passphrase, salt, p2c, 16, 'sha256'), KEY_WRAP_IV)
  const contentKey = Buffer.concat([unwrap.update(Buffer.from(wrapped, 'base64url')), unwrap.final()])
  const open = createDecipheriv('aes-256-gcm', contentKey, Buffer.from(iv, 'base64url'), { authTagLength: TAG_BYTES })
  open.setAAD(Buffer.from(header)).setAuthTag(Buffer.from(tag, 'base64url'))
  const key = Buffer.concat([open.update(Buffer.from(sealed, 'base64url')), open.final()])
  return createPrivateKey({ key, format: 'der', type: 'sec1' })
}
