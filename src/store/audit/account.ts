import { damageIn } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Role } from '../../tuf/role.ts'
import { encodeHead } from '../encoding.ts'
import { hexSha256 } from '../journal.ts'
import { documentKey, dueKey, headKey, keysKey, ownerKey, versionKey } from '../keyspace.ts'
import type { StoreReader } from '../reader.ts'
import type { JournalEntry, StoredKey } from '../store.ts'
import { withoutBlocking } from '../without-blocking.ts'
import type { ExpectedRecords } from './expected-records.ts'

/** A document according to the journal. */
export interface NamedDocument {
  readonly role: string
  readonly version: number
  readonly sha256: string
  /** When it was committed, milliseconds since 1970. */
  readonly createdAt: number
}

/** A key according to the journal. */
export interface NamedKey {
  readonly role: string
  readonly keyId: string
  /** Of its sealed form. */
  readonly sha256: string
  /** True if something was signed with it, so that it no longer waits for a root that names it. */
  readonly used: boolean
}

/** What the journal says about one repository. */
export class Account {
  readonly documents = new Map<string, NamedDocument>()
  readonly keys = new Map<string, NamedKey>()
  /** Numbers of its journal entries, by revision. */
  readonly history = new Map<number, number>()
  head = ''
  /** Number and revision of its newest entry. */
  number = 0
  revision = 0

  add(entry: JournalEntry): void {
    if (entry.kind === 'delete') this.documents.clear()
    const createdAt = Date.parse(entry.time)
    for (const { role, version, sha256 } of entry.documents) {
      this.documents.set(`${version} ${role}`, { role, version, sha256, createdAt })
    }
    for (const { role, keyId, sha256 } of entry.keys) {
      // A commit with documents only carries keys that signed them; new keys come in commits without documents.
      const used = entry.documents.length > 0 || this.keys.get(keyId)?.used === true
      this.keys.set(keyId, { role, keyId, sha256, used })
    }
    this.history.set(entry.revision, entry.number)
    this.head = entry.head
    this.number = entry.number
    this.revision = entry.revision
  }
}

/** Compares the stored records of one repository with what the journal says. @throws TrustError STORE_UNAVAILABLE */
export async function checkAccount(
  gun: Gun,
  account: Account,
  reader: StoreReader,
  expected: Pick<ExpectedRecords, 'add'>,
  error: (text: string) => void,
): Promise<void> {
  // Check each record separately, so that a damaged one does not hide faults in others.
  const reportingDamage = (at: () => void): void => {
    try {
      at()
    } catch (cause) {
      error(damageIn(cause).message)
    }
  }
  expected.add(headKey(gun))
  reportingDamage(() => {
    const head = reader.head(gun)
    if (head === undefined) return error('it has neither head nor history')
    if (hexSha256(encodeHead(head)) !== account.head) error('its head is not the one that the journal names')
    if (head.renewAt !== null) expected.add(dueKey(head.renewAt, gun))
  })
  for await (const { role, version, sha256 } of withoutBlocking(account.documents.values())) {
    expected.add(documentKey(gun, role, sha256))
    expected.add(versionKey(gun, role, version))
    reportingDamage(() => {
      const document = reader.document(gun, role as Role, { version })
      if (document === undefined) error(`${role} version ${version} is missing`)
      else if (hexSha256(document.bytes) !== sha256) error(`${role} version ${version} is not what was committed`)
    })
  }
  for (const [role, keys] of Map.groupBy(account.keys.values(), (key) => key.role)) {
    expected.add(keysKey(gun, role))
    reportingDamage(() => compareKeys(role, keys, reader.keys(gun, role as Role), error))
  }
  for (const { keyId, role } of account.keys.values()) {
    expected.add(ownerKey(keyId))
    reportingDamage(() => {
      const owner = reader.keyOwner(keyId)
      if (owner?.gun !== gun || owner.role !== role) error(`the owner of key ${keyId} is not the one in the journal`)
    })
  }
}

/** @param named the keys of the role, according to the journal */
function compareKeys(
  role: string,
  named: readonly NamedKey[],
  stored: readonly StoredKey[],
  error: (text: string) => void,
): void {
  const left = new Map(stored.map((key) => [key.keyId, hexSha256(key.sealed)]))
  for (const { keyId, sha256 } of named) {
    if (left.get(keyId) !== sha256) error(`the ${role} key ${keyId} is missing or was changed`)
    left.delete(keyId)
  }
  for (const keyId of left.keys()) error(`the ${role} key ${keyId} is not in the journal`)
}
