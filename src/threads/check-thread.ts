import '../memory/buffer-pool.ts'
import { parentPort, workerData } from 'node:worker_threads'
import { check } from '../repository/check.ts'
import { Database } from '../store/database/database.ts'
import { snapshotOf } from '../store/snapshot.ts'
import { Channel } from './channel.ts'
import type { CheckAnswers, CheckStart, MainAnswers } from './messages.ts'
import { remoteSignerFor } from './remote-signer.ts'

/** A thread that verifies the whole store once, and answers nothing else. Its own handle on the database only reads. */
if (parentPort === null) throw new Error('this is not a program of its own')
const { settings, keyring } = workerData as CheckStart
const database = Database.share(settings.dataDirectory)
// If it cannot be opened, `check` reports why. Unhandled until then, the error would end the thread, and lose code and hint.
database.catch(() => undefined)

const main = new Channel<MainAnswers>(parentPort, {
  async check(now) {
    const signer = remoteSignerFor(settings, keyring, main)
    const snapshot = await snapshotOf(await database, () => main.ask('readAnchor', []))
    return check(snapshot, (...key) => signer.fault(...key), now)
  },
  // A database that could not be opened need not be closed.
  release: () => database.then((opened) => opened.close()).catch(() => undefined),
} satisfies CheckAnswers)
