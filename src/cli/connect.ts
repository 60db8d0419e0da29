import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { z } from 'zod'
import { LOCAL } from '../access/permission.ts'
import { parsed, type Operation } from '../admin/operation.ts'
import { rehearsing } from '../admin/rehearse.ts'
import { requestOf, type AdminRequest } from '../admin/request.ts'
import { TrustError } from '../errors.ts'
import { createLog } from '../log/log.ts'
import { signerOf } from '../custody.ts'
import { answers, controlSocket } from '../control-socket.ts'
import { trustOver, worldOver } from '../world.ts'
import { request } from '../node-http.ts'
import { mustBeOwner } from './owner.ts'
import { note } from './print.ts'
import type { Settings } from '../settings/schema.ts'
import { hasKeys, openKeysDirectory, type Keys } from '../signing/keys-directory.ts'
import { Database } from '../store/database.ts'
import { openStore, type LevelStore } from '../store/level.ts'
import { whenUnlocked } from '../store/when-unlocked.ts'

/** Somewhere to do operations; to be closed after use. */
export interface Connection {
  /**
   * Do an operation, in the running server or here.
   *
   * @param dryRun say what would happen; change nothing
   * @throws TrustError
   */
  call<Schema extends z.ZodObject, Output>(
    operation: Operation<Schema, Output>,
    input: z.input<Schema>,
    dryRun?: boolean,
  ): Promise<Output>
  close(): Promise<void>
}

/**
 * Speak to the running server if there is one; otherwise open its data directory. Whoever has that open may be a server that
 * does not listen yet, one that makes its keys at its first start, or another command: then it is waited for.
 *
 * @throws TrustError
 */
export async function connect(settings: Settings): Promise<Connection> {
  const path = controlSocket(settings)
  const { dataDirectory: directory, keysDirectory, anchorFile, passphraseFile } = settings
  let keys: Keys | undefined
  const open = async (): Promise<Connection> => {
    if (await answers(path)) return overSocket(path)
    await mustNotBeMade(settings)
    await mustBeHere(settings)
    keys ??= await openKeysDirectory(keysDirectory, passphraseFile)
    return inProcess(settings, keys, await openStore({ directory, anchorFile, anchorKey: keys.anchorKey }))
  }
  const begins = (): void => note(`waiting for another process to let go of the database in ${directory}`)
  return whenUnlocked(open, { begins })
}

/**
 * For what this process does with the database itself: there must be one, and it must be this user's.
 *
 * @throws TrustError BAD_KEYS, FORBIDDEN
 */
export async function mustBeHere({ dataDirectory, keysDirectory }: Settings): Promise<void> {
  if (!(await hasKeys(keysDirectory))) {
    throw new TrustError('BAD_KEYS', `no server was ever started with the keys directory ${resolve(keysDirectory)}`, {
      hint: 'run this where the server runs, with its settings (--config, COUNTERSIGN_KEYS_DIRECTORY); if it starts for the first time, in a moment',
    })
  }
  await mustBeOwner(dataDirectory)
  // As in a server: LevelDB's new files are the owner's alone.
  process.umask(0o077)
}

/** A first start has the database open while it makes the keys. @throws TrustError DATA_LOCKED, FORBIDDEN */
async function mustNotBeMade({ dataDirectory, keysDirectory }: Settings): Promise<void> {
  if (await hasKeys(keysDirectory)) return
  await mustBeOwner(dataDirectory)
  process.umask(0o077)
  try {
    await (await Database.open(dataDirectory, false)).close()
  } catch (error) {
    // Anything else is said better by whoever needs the keys.
    if (error instanceof TrustError && error.code === 'DATA_LOCKED') throw error
  }
}

function inProcess(settings: Settings, keys: Keys, store: LevelStore): Connection {
  const signer = signerOf(settings, keys)
  const trust = trustOver(settings, { store, signer, log: createLog('silent') })
  const world = { ...worldOver(settings, trust, store, signer), gone: interrupted }
  return {
    call: (operation, input, dryRun = false) =>
      operation.run(dryRun ? rehearsing(world) : world, parsed(operation, input), { name: LOCAL.name }),
    async close() {
      await Promise.all([signer.close(), store.close()])
    },
  }
}

/** Aborted by Ctrl-C, or when the process is to end; a second time it ends at once. */
export function interrupted(): AbortSignal {
  const gone = new AbortController()
  const abort = (): void => gone.abort(new TrustError('WRONG_STATE', 'interrupted: nothing is left of it'))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, abort)
  return gone.signal
}

function overSocket(socketPath: string): Connection {
  return {
    async call<Schema extends z.ZodObject, Output>(
      operation: Operation<Schema, Output>,
      input: z.input<Schema>,
      dryRun = false,
    ): Promise<Output> {
      return (await send(socketPath, requestOf(operation, input, dryRun))) as Output
    },
    close: async () => {},
  }
}

async function send(socketPath: string, { method, url, headers, body }: AdminRequest): Promise<unknown> {
  const { ok, answer } = await new Promise<{ ok: boolean; answer: string }>((resolve, reject) => {
    // A connection of its own: while a passphrase is tried the server may close one that is idle, and nothing tells of it.
    request({ socketPath, path: url, method, headers, agent: false }, (response) => {
      text(response).then((answer) => resolve({ ok: response.statusCode === 200, answer }), reject)
    })
      .on('error', reject)
      .end(body)
  }).catch((cause: unknown) => {
    throw new TrustError('STORE_UNAVAILABLE', 'the server stopped before it had answered', {
      hint: 'its log says why; "countersign audit" says whether it was done all the same',
      cause,
    })
  })
  const parsedAnswer = JSON.parse(answer) as unknown
  if (ok) return parsedAnswer
  const { code, message, hint } = (parsedAnswer as { error: Pick<TrustError, 'code' | 'message' | 'hint'> }).error
  throw new TrustError(code, message, { hint })
}
