import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { TrustError, type TrustErrorCode } from '../errors.ts'
import { createLog } from '../log.ts'
import { controlSocket, trustOver } from '../main.ts'
import { administer, type Administration } from '../repository/administration.ts'
import type { Settings } from '../settings-schema.ts'
import { hasKeys, openKeysDirectory } from '../signing/keys-directory.ts'
import { openStore } from '../store/level.ts'

/** An administration to be closed after use. */
export type Connection = Administration & { close(): Promise<void> }

/** Speak to the running server if there is one; otherwise open its data directory. @throws TrustError */
export async function connect(settings: Settings): Promise<Connection> {
  const path = controlSocket(settings)
  return (await answers(path)) ? overSocket(path) : inProcess(settings)
}

async function inProcess(settings: Settings): Promise<Connection> {
  const { dataDirectory: directory, keysDirectory, anchorFile, passphraseFile } = settings
  if (!(await hasKeys(keysDirectory))) {
    throw new TrustError('BAD_KEYS', `no server was ever started with the keys directory ${keysDirectory}`, {
      hint: 'run this where the server runs, with its settings (--config, COUNTERSIGN_KEYS_DIRECTORY)',
    })
  }
  const keys = await openKeysDirectory(keysDirectory, passphraseFile)
  const store = await openStore({ directory, anchorFile, anchorKey: keys.anchorKey })
  const signer = keys.signer(settings.keyAlgorithm)
  const trust = trustOver(settings, store, signer, { log: createLog('silent') })
  return {
    ...administer(trust, store, (owner, sealed) => signer.opens(owner, sealed), { name: 'cli' }),
    close: () => store.close(),
  }
}

function overSocket(path: string): Connection {
  const ask = async <T>(url: string, method = 'GET'): Promise<T> => (await send(path, url, method)) as T
  return {
    check: () => ask('/check'),
    list: () => ask('/repositories'),
    show: async (gun) =>
      (await ask<Awaited<ReturnType<Administration['show']>> | null>(named('/repository', gun))) ?? undefined,
    keys: (gun) => ask(named('/keys', gun)),
    remove: (gun) => ask(named('/repository', gun), 'DELETE'),
    close: async () => {},
  }
}

function named(url: string, gun: string): string {
  return `${url}?${new URLSearchParams({ gun }).toString()}`
}

async function send(socketPath: string, path: string, method: string): Promise<unknown> {
  const body = await new Promise<string>((resolve, reject) => {
    request({ socketPath, path, method }, (response) => resolve(text(response)))
      .on('error', reject)
      .end()
  }).catch((cause: unknown) => {
    throw new TrustError('STORE_UNAVAILABLE', 'the server stopped before it had answered', { cause })
  })
  const { answer, error } = JSON.parse(body) as {
    answer?: unknown
    error?: { code: TrustErrorCode; message: string; hint?: string }
  }
  if (error !== undefined) {
    throw new TrustError(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint })
  }
  return answer
}

/** True if a server listens there. A socket file left behind by a killed one does not answer. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    request({ socketPath, path: '/' }, (response) => {
      response.resume()
      resolve(true)
    })
      .on('error', () => resolve(false))
      .end()
  })
}
