import { readFile } from 'node:fs/promises'
import { createLog } from '../../src/log/log.ts'
import { serve } from '../../src/main.ts'
import type { Settings } from '../../src/settings/schema.ts'
import { tlsFiles } from '../../src/signing/tls/identity.ts'
import type { Endpoint } from '../support/exchange.ts'

/** A server in the test's process. */
export interface Hosted extends Endpoint {
  /** Stops the server like SIGTERM. A second call does nothing. */
  end(): Promise<void>
}

/** @param now its clock */
export async function hostServer(settings: Settings, now: () => number): Promise<Hosted> {
  // Like "countersign serve": only the owner can read new files.
  process.umask(0o077)
  const running = await serve(settings, { log: createLog('silent'), now })
  let ended: Promise<void> | undefined
  return {
    url: running.url,
    ca: await readFile(tlsFiles(settings.keysDirectory).ca, 'utf8'),
    end: () => (ended ??= running.close()),
  }
}
