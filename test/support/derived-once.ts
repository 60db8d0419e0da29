/** A passphrase with its salt makes the same key each time, slowly on purpose: in this process it is done once. */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const { argon2Sync } = crypto
const derived = new Map<string, Buffer>()

crypto.argon2Sync = (algorithm, parameters) => {
  const asked = JSON.stringify([algorithm, parameters])
  const key = derived.get(asked) ?? argon2Sync(algorithm, parameters)
  derived.set(asked, key)
  // Whoever asked may wipe theirs.
  return Buffer.from(key)
}
syncBuiltinESMExports()
