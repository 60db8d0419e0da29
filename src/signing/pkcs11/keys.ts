import { hash } from 'node:crypto'
import { TrustError } from '../../errors.ts'
import { LimitedMap } from '../../memory/limited-map.ts'
import { p256Spki } from '../../tuf/asn1/spki.ts'
import type { Gun } from '../../tuf/gun.ts'
import { keyId, type PublicKey } from '../../tuf/keys/key.ts'
import { verifySignature } from '../../tuf/keys/signature.ts'
import type { Role } from '../../tuf/role.ts'
import { keyText, type KeyAlgorithm, type KeyName, type Look, type NewKey, type RawSignature } from '../signer.ts'
import { findPair, makePair, namePair, removePair, signWith, type Pair } from './objects.ts'
import { decodeReference, encodeReference, tokenIdOf } from './reference.ts'
import type { Connection, Pkcs11Token } from './token.ts'

/** How many keys' handles are remembered: some tokens search all their objects to find one. */
const FOUND_KEYS_MAX = 10_000
/** Signed to check that private and public key belong together. No metadata looks like this. */
const TRIAL = Buffer.from('countersign: does this key sign?')

/** The keys of repositories in a token, each found by its name alone. All calls block. */
export class Pkcs11Keys {
  readonly #token: Pkcs11Token
  /** Handles found through one connection; they are void when the library is initialised again. */
  #found: { readonly connection: Connection; readonly pairs: LimitedMap<string, Pair> } | undefined

  constructor(token: Pkcs11Token) {
    this.#token = token
  }

  /** Makes a key. @throws TrustError SIGNER_UNAVAILABLE, SIGNING_FAILED if the token cannot make such a key */
  create(gun: Gun, role: Role, algorithm: KeyAlgorithm): NewKey {
    return this.#token.use((connection) => {
      const pair = makePair(connection, algorithm)
      try {
        const { keytype, public: text } = publicPart(pair)
        const name = { gun, role, keyId: keyId({ keytype, public: text }) }
        const id = tokenIdOf(name)
        namePair(connection, pair, id, `${gun} ${role} ${name.keyId}`)
        this.#verified(connection, name, pair)
        return { keyId: name.keyId, keytype, public: text, sealed: encodeReference({ token: connection.serial, id }) }
      } catch (error) {
        removePair(connection, pair)
        throw error
      }
    })
  }

  /** Signs. @throws TrustError SIGNER_UNAVAILABLE, SIGNING_FAILED if the reference is another key's or the key is gone */
  sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): RawSignature {
    return this.#token.use((connection) => signed(connection, this.#open(connection, name, sealed), message))
  }

  /** As `KeyFault`. */
  fault(name: KeyName, sealed: Uint8Array, look: Look): string | undefined {
    try {
      this.#token.use((connection) => {
        if (look === 'assume' && decodeReference(sealed)?.token === connection.serial) return
        // Even if the handle is known: the key may have been deleted from the token since.
        if (look === 'sign') this.#verified(connection, name, this.#open(connection, name, sealed))
        else this.#find(connection, name, sealed)
      })
      return undefined
    } catch (error) {
      if (!(error instanceof TrustError && error.code === 'SIGNING_FAILED')) throw error
      return error.message.replace(keyText(name), 'it')
    }
  }

  #open(connection: Connection, name: KeyName, sealed: Uint8Array): Pair {
    const known = this.#pairs(connection).get(storedId(name, sealed))
    return known ?? this.#verified(connection, name, this.#find(connection, name, sealed))
  }

  /** Finds a pair whose public half belongs to the name. */
  #find(connection: Connection, name: KeyName, sealed: Uint8Array): Pair {
    const pair = findPair(connection, storedId(name, sealed))
    if (pair !== undefined) {
      if (keyId(publicPart(pair)) !== name.keyId) throw failed(name, 'is a different key in the token')
      return pair
    }
    // A token that was removed can look empty; this call then throws.
    connection.module.C_GetTokenInfo(connection.slot)
    const made = decodeReference(sealed)?.token
    throw failed(name, `is not in the token${made === connection.serial ? '' : `; it was made in ${made}`}`)
  }

  /** Checks that both halves of a pair belong together, and remembers their handles. */
  #verified(connection: Connection, name: KeyName, pair: Pair): Pair {
    const { method, sig } = signed(connection, pair, TRIAL)
    if (!verifySignature(publicPart(pair), method, sig, TRIAL))
      throw failed(name, 'makes signatures that do not match its public key')
    this.#pairs(connection).set(tokenIdOf(name), pair)
    return pair
  }

  #pairs(connection: Connection): LimitedMap<string, Pair> {
    if (this.#found?.connection !== connection) this.#found = { connection, pairs: new LimitedMap(FOUND_KEYS_MAX) }
    return this.#found.pairs
  }
}

function signed(connection: Connection, pair: Pair, message: Uint8Array): RawSignature {
  if (pair.algorithm === 'ed25519') return { method: 'eddsa', sig: signWith(connection, pair, Buffer.from(message)) }
  return { method: 'ecdsa', sig: signWith(connection, pair, hash('sha256', message, 'buffer')) }
}

function publicPart({ algorithm, point }: Pair): PublicKey & { keytype: KeyAlgorithm } {
  const bytes = algorithm === 'ed25519' ? point : p256Spki(point)
  return { keytype: algorithm, public: bytes.toString('base64') }
}

/** Returns the CKA_ID in what is stored for a key. @throws TrustError SIGNING_FAILED if it is another key's */
function storedId(name: KeyName, sealed: Uint8Array): string {
  const id = tokenIdOf(name)
  if (decodeReference(sealed)?.id !== id) throw failed(name, 'is not the one that is stored for it')
  return id
}

function failed(name: KeyName, what: string): TrustError {
  return new TrustError('SIGNING_FAILED', `${keyText(name)} ${what}`)
}
