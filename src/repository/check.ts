import { damageIn, unlessDamaged } from '../errors.ts'
import { isReference } from '../signing/pkcs11/reference.ts'
import type { KeyFault } from '../signing/signer.ts'
import { auditStore, type Finding, type RecordCounts } from '../store/audit/audit.ts'
import { hasTrap } from '../store/database/damaged-files.ts'
import type { StoreSnapshot } from '../store/snapshot.ts'
import type { StoredKey } from '../store/store.ts'
import { SERVER, type Gun } from '../tuf/gun.ts'
import { allGuns } from './all-guns.ts'
import { viewAsClient } from './client-view.ts'
import { namedKeys } from './current.ts'
import { signerNameOf } from './signers/signers.ts'
import type { Readable } from './trust.ts'

/** The result of checking everything stored. */
export interface CheckReport {
  readonly repositories: number
  readonly commits: number
  readonly records: RecordCounts
  /** Errors first. */
  readonly findings: readonly Finding[]
}

/** @param gun SERVER for findings about no repository */
type Report = (gun: Gun, severity: Finding['severity'], text: string) => void

/**
 * Verifies everything stored: the files of the database, all records against the journal (`store/audit/audit.ts`), each
 * repository as a client would, and that every key can be used. Checks only the files if reading records may end the process.
 *
 * @param snapshot closed at the end
 * @param now milliseconds since 1970
 * @throws TrustError SIGNER_UNAVAILABLE if keys cannot be checked now; STORE_UNAVAILABLE
 */
export async function check(snapshot: StoreSnapshot, keyFault: KeyFault, now: number): Promise<CheckReport> {
  const findings: Finding[] = snapshot.damage.map(({ text }) => ({ severity: 'error', text }))
  if (hasTrap(snapshot.damage)) return filesOnlyReport(snapshot, findings)
  const report: Report = (gun, severity, text) =>
    void findings.push({ severity, ...(gun === SERVER ? {} : { gun }), text })
  const { reader } = snapshot
  const trust = { store: reader }
  let repositories = 0
  try {
    const records = await auditStore(snapshot, (finding) => findings.push(finding))
    for await (const gun of untilDamaged(allGuns(reader), 'the list of repositories', report)) {
      try {
        const head = reader.head(gun)
        if (head === undefined) continue
        for (const key of await reader.keysOf(gun)) await checkKey(trust, gun, key, keyFault, report)
        if (head.roles['root'] === undefined) continue
        repositories += 1
        for (const text of await viewAsClient(trust, gun, head, now)) report(gun, 'warning', text)
      } catch (error) {
        report(gun, 'error', `a client would refuse it: ${damageIn(error).message}`)
      }
    }
    // Keys of signers. Root keys are not checked, since their passphrases are not here.
    for await (const key of untilDamaged(keysOfSigners(reader), 'the list of signers’ keys', report)) {
      await checkKey(trust, SERVER, key, keyFault, report)
    }
    const ordered = findings.toSorted(
      (one, other) => Number(other.severity === 'error') - Number(one.severity === 'error'),
    )
    return { repositories, commits: reader.tail().number, records, findings: ordered }
  } finally {
    await snapshot.close()
  }
}

/** Yields the items up to the first damaged place, which becomes one finding among others. */
async function* untilDamaged<T>(list: AsyncIterable<T>, what: string, report: Report): AsyncGenerator<T> {
  try {
    yield* list
  } catch (error) {
    report(SERVER, 'error', `${what} cannot be read to its end: ${damageIn(error).message}`)
  }
}

/** Returns the report if only the files were checked. */
async function filesOnlyReport(snapshot: StoreSnapshot, damage: readonly Finding[]): Promise<CheckReport> {
  await snapshot.close()
  const text =
    'no record was read, since that may end the process: stop the server, and "countersign repair DIRECTORY" mends it'
  return {
    repositories: 0,
    commits: snapshot.reader.tail().number,
    records: {},
    findings: [...damage, { severity: 'error', text }],
  }
}

/** Checks that a key can be used. @param gun SERVER for the key of a signer */
async function checkKey(trust: Readable, gun: Gun, key: StoredKey, keyFault: KeyFault, report: Report): Promise<void> {
  const { role, keyId, sealed } = key
  const fault = await keyFault({ gun, role, keyId }, sealed, 'sign')
  if (fault === undefined) return
  const which = gun === SERVER ? `the key ${keyId} of the signer ${role}` : `the ${role} key ${keyId}`
  if (isRetired(trust, gun, key)) report(gun, 'warning', `${which} is not in use, and in no token here`)
  else report(gun, 'error', `${which} cannot be used: ${fault}`)
}

/** True if a key in a token is no longer needed: after all keys were rotated out of a token, it may be gone. */
function isRetired(trust: Readable, gun: Gun, { role, keyId, pending, sealed }: StoredKey): boolean {
  if (pending || !isReference(sealed)) return false
  const isUnused = (): boolean =>
    gun === SERVER
      ? signerNameOf(trust, { role, keyId }) === undefined
      : namedKeys(trust, gun, role)?.keys.has(keyId) !== true
  return unlessDamaged(isUnused) === true
}

async function* keysOfSigners(reader: StoreSnapshot['reader']): AsyncGenerator<StoredKey> {
  yield* await reader.keysOf(SERVER)
}
