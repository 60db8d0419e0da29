import type { KeyObject } from 'node:crypto'
import { parseName } from '../../access/user.ts'
import { saveRootKey, type RootKey } from '../../admin/root-keys.ts'
import { TrustError } from '../../errors.ts'
import { issueRootCertificate } from '../../signing/root-certificate.ts'
import { makeRootKey, rootPublicKey, sealRootKey } from '../../signing/root-key.ts'
import { certificateBegins, certificateEnds } from '../../tuf/keys/certificate.ts'
import type { Connection } from '../connection/connection.ts'
import { note } from '../terminal/print.ts'
import { namedRootKeys, rootKeyNamed } from './known-keys.ts'
import { Passphrases } from './passphrases.ts'

/** The root key that is made and used by default. */
export const DEFAULT_ROOT_KEY = 'root'

/** Milliseconds: a certificate that ends sooner is not used for another root. */
const LIFE_LEFT = 3 * 365 * 86_400_000

/** An open root key. It exists only in the process of whoever typed the passphrase. */
interface OpenRootKey {
  readonly record: RootKey
  readonly key: KeyObject
}

/** The root keys of this command: opens each once, makes them, and issues their certificates. */
export class RootKeyring {
  readonly #connection: Connection
  readonly #passphrases: Passphrases
  readonly #dryRun: boolean
  readonly #opened = new Map<string, OpenRootKey>()
  /** Shared certificates made by this command, as key name and common name. */
  readonly #renewed = new Set<string>()

  /**
   * @param passphraseFile holds the passphrase of every key; undefined: ask on the terminal
   * @param dryRun stores nothing
   */
  constructor(connection: Connection, passphraseFile: string | undefined, dryRun = false) {
    this.#connection = connection
    this.#passphrases = new Passphrases(passphraseFile)
    this.#dryRun = dryRun
  }

  /** Returns the keys that can be read. */
  records(): Promise<RootKey[]> {
    return namedRootKeys(this.#connection)
  }

  /** True if its passphrase was asked for already. */
  isOpen(name: string): boolean {
    return this.#opened.has(name)
  }

  /** Opens a key by name. @throws TrustError NOT_FOUND, WRONG_STATE if it is offline, BAD_KEYS for a wrong passphrase */
  async open(name: string): Promise<OpenRootKey> {
    const opened = this.#opened.get(name)
    if (opened !== undefined) return opened
    const record = rootKeyNamed(await this.records(), name)
    if (record.sealed === null) {
      throw new TrustError('WRONG_STATE', `the root key ${name} is offline`, {
        hint: `to take it back: countersign root import ${name} KEYFILE; a root that waits: root sign FILE --key KEYFILE`,
      })
    }
    const found = { record, key: await this.#passphrases.unseal(name, record.sealed, record.public) }
    this.#opened.set(name, found)
    return found
  }

  /**
   * Makes a root key and stores it, sealed under a new passphrase. A key that was offline may return under its name.
   *
   * @param take makes the key, or reads it; may ask for the passphrase of its file
   * @throws TrustError WRONG_STATE, BAD_KEYS; INVALID_PARAMETERS, before a passphrase is asked for; and what `take` throws
   */
  async create(name: string, take: () => KeyObject | Promise<KeyObject> = makeRootKey): Promise<OpenRootKey> {
    parseName(name)
    const key = await take()
    const publicKey = rootPublicKey(key)
    const before = (await this.records()).find((each) => each.name === name)
    if (before !== undefined && before.public !== publicKey) {
      throw new TrustError('WRONG_STATE', `there is already a root key ${name}`, { hint: 'choose another name' })
    }
    // The command was typed again, as if unanswered: under another name, the key would be here twice.
    if (before !== undefined && before.sealed !== null) {
      throw new TrustError('WRONG_STATE', `this root key is here already, as ${name}`, {
        hint: 'nothing is left to do; its passphrase here is the one that was chosen then',
      })
    }
    const passphrase = await this.#passphrases.choose(name)
    const input = { name, public: publicKey, sealed: sealRootKey(key, passphrase) }
    const record = await this.#connection.call(saveRootKey, input, this.#dryRun)
    const made = { record, key }
    this.#opened.set(name, made)
    return made
  }

  /**
   * Returns a root key's certificate for a repository, or one for all below a prefix, which is stored and reused.
   *
   * @param commonName the GUN, or a prefix and `*`
   * @param renew true: makes a new one, once per command even for many repositories
   */
  async certificate({ record, key }: OpenRootKey, commonName: string, renew = false): Promise<string> {
    const shared = commonName.endsWith('*')
    // A repository may be called "constructor".
    const { certificates } = shared ? await this.#asItIs(record) : record
    const kept = Object.hasOwn(certificates, commonName) ? certificates[commonName] : undefined
    const made = `${record.name} ${commonName}`
    if (kept !== undefined && (renew ? this.#renewed.has(made) : isLasting(kept))) return kept
    const { public: text } = await issueRootCertificate(key, commonName, Date.now())
    // A rehearsal has no stored key to keep it with.
    if (!shared || this.#dryRun) return text
    const { name, public: publicKey } = record
    // Leave out where the key is: since it was opened, it may have been taken offline.
    const input = { name, public: publicKey, certificates: { [commonName]: text } }
    const saved = await this.#connection.call(saveRootKey, input)
    this.#opened.set(name, { record: saved, key })
    this.#renewed.add(made)
    return text
  }

  /** Reads the key again: while its passphrase was typed, another command may have stored a certificate with it. */
  async #asItIs(record: RootKey): Promise<RootKey> {
    const isSame = (each: RootKey): boolean => each.name === record.name && each.public === record.public
    return (await this.records()).find(isSame) ?? record
  }

  /** Opens the named key; makes the default one at its first use. */
  async openOrCreate(name: string | undefined): Promise<OpenRootKey> {
    const wanted = name ?? DEFAULT_ROOT_KEY
    if (name === undefined && !(await this.records()).some((each) => each.name === wanted)) {
      const made = await this.create(wanted).catch((error: unknown) => {
        // Another command was faster.
        if (error instanceof TrustError && error.code === 'WRONG_STATE') return undefined
        throw error
      })
      if (made === undefined) return this.open(wanted)
      const advice = `keep its passphrase, and a copy of it ("countersign root export ${wanted} FILE")`
      note(this.#dryRun ? `would make the root key ${wanted}` : `made the root key ${wanted}: ${advice}`)
      return made
    }
    return this.open(wanted)
  }
}

/** True if a certificate, PEM in base64, is valid now and for some years. */
export function isLasting(certificate: string): boolean {
  const key = { keytype: 'ecdsa-x509', public: certificate }
  const [begins = Infinity, ends = 0] = [certificateBegins(key), certificateEnds(key)]
  return begins <= Date.now() && ends > Date.now() + LIFE_LEFT
}
