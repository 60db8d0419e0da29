import { createPublicKey, type KeyObject } from 'node:crypto'

/** SubjectPublicKeyInfo up to the uncompressed point, for the curves that Go knows, and bytes of a coordinate. */
const CURVES = [
  { prefix: '304e301006072a8648ce3d020106052b81040021033a0004', coordinate: 28 }, // P-224
  { prefix: '3059301306072a8648ce3d020106082a8648ce3d03010703420004', coordinate: 32 }, // P-256
  { prefix: '3076301006072a8648ce3d020106052b8104002203620004', coordinate: 48 }, // P-384
  { prefix: '30819b301006072a8648ce3d020106052b810400230381860004', coordinate: 66 }, // P-521
].map(({ prefix, coordinate }) => ({ prefix: Buffer.from(prefix, 'hex'), coordinate }))

/** Bytes of a coordinate on the curve of this key, in DER; undefined for all that Go would not read as such a key. */
export function curveCoordinate(der: Buffer): number | undefined {
  const curve = CURVES.find(({ prefix, coordinate }) => {
    return der.length === prefix.length + 2 * coordinate && der.subarray(0, prefix.length).equals(prefix)
  })
  return curve?.coordinate
}

/**
 * Read a public key in DER (SubjectPublicKeyInfo) as strictly as Go does: these very bytes are how the key would be
 * written, no BER, nothing after it; elliptic curves only by name, of four curves, with uncompressed points on them.
 *
 * @returns undefined for anything else
 */
export function parseSpki(der: Buffer): KeyObject | undefined {
  try {
    const object = createPublicKey({ key: der, format: 'der', type: 'spki' })
    if (object.asymmetricKeyType === 'ec' && curveCoordinate(der) === undefined) return undefined
    return object.export({ type: 'spki', format: 'der' }).equals(der) ? object : undefined
  } catch {
    return undefined
  }
}
