import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { signerOf } from './custody.ts'
import { TrustError } from './errors.ts'
import { check, type CheckReport } from './repository/check.ts'
import { proposeHeads } from './repository/rebuild-head.ts'
import { DATA, makeServerDirectory, mustBeFree } from './server-directory.ts'
import type { Settings } from './settings/schema.ts'
import { openKeysDirectory, type Keys } from './signing/keys-directory.ts'
import type { RoutedSigner } from './signing/routed-signer.ts'
import { readAnchorOf, type Anchor, type AnchorKey } from './store/anchor.ts'
import { fillStore } from './store/fill-store.ts'
import { openStore } from './store/level-store.ts'
import { repairedRecords, type Repaired, type RepairParts } from './store/repair/repaired-records.ts'
import { openView, type View } from './store/repair/view.ts'

/** The outcome of repairing a damaged store. */
export interface Repair extends Repaired {
  /** Where the repaired store is. */
  readonly directory: string
  /** Files of the damaged database in which bits were flipped back before anything was read, and how many. */
  readonly turnedBack: View['turnedBack']
  /** True if LevelDB's list of its tables was rebuilt from the existing ones. */
  readonly relisted: boolean
  /** What `check` finds in the repaired store; undefined if none was made. */
  readonly check?: CheckReport
}

/** What to repair, and from what. */
interface RepairRequest {
  /** Where to make the repaired store. Absolute; created, or existing and empty. */
  readonly directory: string
  /** A backup for what cannot be recovered otherwise: from `countersign backup`, or a data directory. */
  readonly from: string | undefined
  /** True: the journal ends where the database says, whatever the anchor says, and even without one. */
  readonly withoutAnchor: boolean
  /** True: makes nothing. */
  readonly dryRun: boolean
  /** Aborted when nobody waits any more. */
  readonly gone: AbortSignal
}

/**
 * Repairs a damaged store into another directory, from which a server can be started; only reads the damaged one. What
 * cannot be recovered stays damaged there.
 *
 * @throws TrustError WRONG_STATE, BAD_KEYS, SIGNER_UNAVAILABLE, DATA_… if nothing can be repaired, or the reason of
 *   `gone`; nothing is left in the directory then, nor in the temporary one
 */
export async function repair(
  settings: Settings,
  { directory, from, withoutAnchor, dryRun, gone }: RepairRequest,
): Promise<Repair> {
  const { dataDirectory, keysDirectory, anchorFile, passphraseFile } = settings
  await mustBeFree(settings, directory)
  const keys = await openKeysDirectory(keysDirectory, passphraseFile)
  const readAnchor = withoutAnchor ? anchorIfAny : readAnchorOf
  // Fail early; the anchor that counts is read again under the lock.
  await readAnchor(anchorFile, keys.anchorKey)
  const signer = signerOf(settings, keys)
  const views: View[] = []
  const openPlace = async (place: string): Promise<View> => {
    const view = await openView(place).catch((error: unknown) => {
      throw error instanceof TrustError && error.code === 'DATA_LOCKED' ? inUse(place, error) : error
    })
    views.push(view)
    return view
  }
  try {
    await mustReachToken(signer)
    const { records: damaged, turnedBack, relisted } = await openPlace(dataDirectory)
    const anchor = await readAnchor(anchorFile, keys.anchorKey)
    const backup = from === undefined ? undefined : (await openPlace(dataOf(from))).records
    const parts = {
      damaged,
      mayBeOlder: relisted,
      directory: dataDirectory,
      backup,
      ...(withoutAnchor ? { ignoredAnchor: anchor } : { anchor }),
      proposeHeads,
      gone,
    }
    const counts = { commits: 0, newest: null, givenUp: 0, whole: 0 }
    const done: Repaired = { ...counts, repaired: [], lost: [], left: [], unnamed: [] }
    if (dryRun) {
      for await (const _ of repairedRecords(parts, done));
      return { directory, turnedBack, relisted, ...done }
    }
    const found = await make(settings, { anchorKey: keys.anchorKey, signer }, directory, parts, done)
    return { directory, turnedBack, relisted, ...done, check: found }
  } finally {
    for (const view of views) await view.close()
    await signer.close()
  }
}

/** Reads an anchor that is not binding; undefined if it cannot be read. */
async function anchorIfAny(path: string, key: AnchorKey): Promise<Anchor | undefined> {
  return readAnchorOf(path, key).catch((error: unknown) => {
    if (error instanceof TrustError) return undefined
    throw error
  })
}

/** Throws if the token is missing, before any work begins: `check` needs every key at the end. */
async function mustReachToken(signer: RoutedSigner): Promise<void> {
  await signer.start()
  const { usable, reason = '' } = signer.readiness()
  if (usable) return
  throw new TrustError('SIGNER_UNAVAILABLE', reason, {
    hint: 'connect the token; without the settings signers.pkcs11 and signers.rules repair goes on, and says of its keys that they do not open',
  })
}

/** Makes the repaired store, and proves it with the same check as for any store. */
async function make(
  settings: Settings,
  { anchorKey, signer }: Pick<Keys, 'anchorKey'> & { readonly signer: RoutedSigner },
  directory: string,
  parts: RepairParts,
  done: Repaired,
): Promise<CheckReport> {
  return makeServerDirectory(settings, directory, async (place) => {
    const options = { ...place, anchorKey }
    await fillStore(repairedRecords(parts, done), options, parts.gone)
    const store = await openStore(options)
    try {
      const found = await check(await store.snapshot(), (...key) => signer.fault(...key), Date.now())
      parts.gone.throwIfAborted()
      return found
    } finally {
      await store.close()
    }
  })
}

/** @throws TrustError WRONG_STATE */
function dataOf(backup: string): string {
  const place = [join(backup, DATA), backup].find((each) => existsSync(join(each, 'CURRENT')))
  if (place !== undefined) return place
  throw new TrustError('WRONG_STATE', `there is no database in ${backup}, nor in ${join(backup, DATA)}`, {
    hint: 'name a directory that "countersign backup" made, or a data directory',
  })
}

/** Returns the error for a database that another process has open. */
export function inUse(place: string, cause?: TrustError): TrustError {
  return new TrustError('DATA_LOCKED', `a server, or another command, uses the database in ${place}`, {
    hint: 'stop it first: what it commits meanwhile would be missing from what is repaired',
    cause,
  })
}
