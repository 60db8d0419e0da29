import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { World } from './admin/operation.ts'
import { SERVER_CA, SERVER_CERTIFICATE, UNREADABLE } from './admin/what-to-do.ts'
import { backupsOf } from './backup.ts'
import { damageIn } from './errors.ts'
import type { Log } from './log/log.ts'
import { policyOf } from './policy.ts'
import { check } from './repository/check.ts'
import type { Ending } from './repository/expiry.ts'
import { createTrust, type Trust } from './repository/trust.ts'
import type { Locks } from './repository/turns.ts'
import type { Settings } from './settings/schema.ts'
import { usesTls } from './settings/uses-tls.ts'
import { mustBeWhole } from './signing/keys-directory.ts'
import type { RoutedSigner } from './signing/routed-signer.ts'
import type { Signer } from './signing/signer.ts'
import { tlsFiles } from './signing/tls-identity.ts'
import type { LevelStore } from './store/level.ts'
import type { Store } from './store/store.ts'

const DAY = 86_400_000

/** What operations work on. */
export function worldOver(settings: Settings, trust: Trust, store: LevelStore, signer: RoutedSigner): World {
  const opens: World['opens'] = (...key) => signer.opens(...key)
  return {
    trust,
    store,
    opens,
    check: async () => check(await store.snapshot(), opens, trust.now()),
    keysFault: () => keysFaultIn(settings.keysDirectory),
    certificates: () => serverCertificates(settings, trust.now()),
    backUp: backupsOf(settings, store),
    keyAge: settings.rotation.keyAgeDays === undefined ? undefined : settings.rotation.keyAgeDays * DAY,
    rehearsalSigner: signer.rehearsing(),
  }
}

interface Parts {
  readonly store: Store
  readonly signer: Signer
  readonly log: Log
  /** Milliseconds since 1970; the real time if it is left out. */
  readonly now?: (() => number) | undefined
  readonly random?: (() => number) | undefined
}

/** The verbs' world, from settings. @param locks undefined: no other thread changes repositories */
export function trustOver(settings: Settings, parts: Parts, locks?: Locks): Trust {
  const { store, signer, log, now = Date.now, random = Math.random } = parts
  return createTrust({ store, signer, now, random, policy: policyOf(settings), log }, locks)
}

/** A server that runs has its keys in memory, and does not notice that a file of them was removed or changed. */
async function keysFaultIn(directory: string): Promise<string | undefined> {
  try {
    await mustBeWhole(directory)
    return undefined
  } catch (error) {
    return `${damageIn(error).message}: no server starts like that; put it back from a backup`
  }
}

/**
 * When the certificates end that clients see; none without TLS. One that cannot be read is one that ends now: it must not
 * hide what else does.
 *
 * @param now milliseconds since 1970
 */
async function serverCertificates(settings: Settings, now: number): Promise<Ending[]> {
  if (!usesTls(settings)) return []
  const { tls, keysDirectory } = settings
  const made = tlsFiles(keysDirectory)
  const files = tls.certificateFile === undefined ? [made.certificate, made.ca] : [tls.certificateFile]
  return Promise.all(
    files.map(async (file, index) => {
      const what = index === 0 ? SERVER_CERTIFICATE : SERVER_CA
      try {
        return { what, expires: new X509Certificate(await readFile(file)).validToDate.getTime() }
      } catch {
        return { what: `${what}${UNREADABLE}`, expires: now }
      }
    }),
  )
}
