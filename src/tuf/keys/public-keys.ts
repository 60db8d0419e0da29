import type { Json } from '../json/json.ts'
import { bytesOf, objectOf, objectOrEmpty, refuseControls, refuseVariants, textOf, type Fail } from '../json/members.ts'
import { keyId, type PublicKey } from './key.ts'
import { canVerify } from './signature.ts'

/** The most keys in one document; a root grows by one certificate per rotation. */
const KEYS_MAX = 1_000

/**
 * Decodes the `keys` member of root or of targets' delegations: key id → key.
 *
 * Refuses private keys. Accepts keys of unknown type and unknown members, as Go does; `checkUsedKey` checks the keys that a
 * role uses.
 */
export function parseKeys(value: Json | undefined, where: string, fail: Fail): Map<string, PublicKey> {
  const entries = Object.entries(objectOrEmpty(value, where, fail))
  if (entries.length > KEYS_MAX) fail(`${where} lists more than ${KEYS_MAX} keys`)
  return new Map(
    entries.map(([id, item]) => {
      refuseControls(id, `a key id in ${where}`, fail)
      return [id, parseKey(item, `key ${id.slice(0, 64)}`, fail)]
    }),
  )
}

function parseKey(value: Json, where: string, fail: Fail): PublicKey {
  const key = objectOf(value, where, fail)
  refuseVariants(key, ['keytype', 'keyval'], where, fail)
  const keyval = objectOf(key['keyval'], `"keyval" of ${where}`, fail)
  refuseVariants(keyval, ['public', 'private'], `"keyval" of ${where}`, fail)
  const secret = keyval['private']
  if (secret !== undefined && secret !== null) fail(`${where} carries a private key`)
  bytesOf(keyval['public'], `"public" of ${where}`, fail)
  const keytype = textOf(key['keytype'], `"keytype" of ${where}`, fail)
  refuseControls(keytype, `"keytype" of ${where}`, fail)
  return {
    keytype,
    public: textOf(keyval['public'], `"public" of ${where}`, fail),
  }
}

/** Checks a key that a role names: it must be able to verify signatures, and be listed under its own id. */
export function checkUsedKey(id: string, key: PublicKey, fail: Fail): PublicKey {
  if (!canVerify(key)) fail(`key ${id} cannot be read as a key of type "${key.keytype.slice(0, 40)}"`)
  if (keyId(key) !== id) fail('key ID is not valid for key content')
  return key
}
