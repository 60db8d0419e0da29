import { TrustError } from '../../errors.ts'
import { encodePem } from '../../tuf/asn1/pem.ts'
import { certificatesOf } from '../../tuf/asn1/x509.ts'
import type { Gun } from '../../tuf/gun.ts'
import { certificateEnds } from '../../tuf/keys/certificate.ts'
import { canonicalKeyId, type PublicKey } from '../../tuf/keys/key.ts'
import { parseMetadata } from '../../tuf/metadata.ts'
import { rootKeys, storedRoot } from '../../tuf/root.ts'
import { rootFault } from '../client-view.ts'
import { currentDocument } from '../current.ts'
import { noSuchRepository } from '../no-such-repository.ts'
import type { Readable } from '../trust.ts'

/** A root key as clients may be told to trust it. */
interface PinnedKey {
  /** The id by which root names its certificate: what `trust_pinning.certs` of notary wants (wire spec §11.2). */
  readonly certificateId: string
  /** The id that `notary key list` and key files show. */
  readonly keyId: string
  /** `ecdsa` or `rsa`. */
  readonly keytype: string
  /** End of the certificate, RFC 3339. */
  readonly certificateEnds: string
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicKey: string
}

/** What a client needs, to believe a repository's root instead of the first one that it sees. */
interface Pin {
  readonly gun: Gun
  /** Of the current root. */
  readonly version: number
  /** How many of the keys must sign root. */
  readonly threshold: number
  readonly keys: readonly PinnedKey[]
  /** The current root.json, as clients get it. */
  readonly root: string
}

/**
 * Returns what clients may pin of a repository: its current root, and those of its root keys that clients accept.
 *
 * @param now milliseconds since 1970
 * @throws TrustError NOT_FOUND; WRONG_STATE if no client accepts the root; CORRUPT
 */
export function pinOf(trust: Readable, gun: Gun, now: number): Pin {
  const head = trust.store.head(gun)
  const document = currentDocument(trust, gun, head, 'root')
  if (document === undefined) return noSuchRepository(gun)
  const root = storedRoot(parseMetadata('root', document.bytes))
  const fault = rootFault(root, gun, now)
  if (fault !== undefined) throw new TrustError('WRONG_STATE', fault)
  const { keys, threshold } = rootKeys(root, gun, now)
  return {
    gun,
    version: document.version,
    threshold,
    keys: [...keys].map(([id, key]) => describeKey(id, key)),
    root: Buffer.from(document.bytes).toString(),
  }
}

function describeKey(certificateId: string, key: PublicKey): PinnedKey {
  const leaf = certificatesOf(key)?.[0]
  // `rootKeys` returns keys of certificates only.
  if (leaf === undefined) throw new TypeError(`${certificateId} is no certificate`)
  return {
    certificateId,
    keyId: canonicalKeyId(key),
    keytype: key.keytype.replace('-x509', ''),
    certificateEnds: new Date(certificateEnds(key) ?? leaf.ends).toISOString(),
    publicKey: encodePem([{ label: 'PUBLIC KEY', bytes: leaf.spki }]).toString(),
  }
}
