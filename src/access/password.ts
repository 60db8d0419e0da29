import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { TrustError } from '../errors.ts'

/** A password as it is stored. */
export interface PasswordHash {
  readonly algorithm: 'argon2id'
  /** Standard base64. */
  readonly salt: string
  /** Standard base64. */
  readonly hash: string
  /** KiB. */
  readonly memory: number
  readonly passes: number
  readonly lanes: number
}

/** Parameters of new hashes, and the minimum for stored ones: 32 MiB, 3 passes (above OWASP's 19 MiB, 2 passes). */
const MEMORY_KIB = 32 * 1024
const PASSES = 3
const LANES = 1
const SALT_BYTES = 16
const HASH_BYTES = 32

/** Characters. */
const PASSWORD_MIN_LENGTH = 10
/** Longer passwords are refused before they are hashed. */
export const PASSWORD_MAX_BYTES = 1_024

const hashOf = promisify(argon2)

/** The hash of no password, checked for a user that does not exist so that it takes as long. */
export const NO_PASSWORD: PasswordHash = {
  algorithm: 'argon2id',
  salt: Buffer.alloc(SALT_BYTES).toString('base64'),
  hash: Buffer.alloc(HASH_BYTES).toString('base64'),
  memory: MEMORY_KIB,
  passes: PASSES,
  lanes: LANES,
}

/** Hashes a new password off the main thread. @throws TrustError INVALID_PARAMETERS if it is too short or too long */
export async function hashPassword(password: string): Promise<PasswordHash> {
  if (password.length < PASSWORD_MIN_LENGTH || Buffer.byteLength(password) > PASSWORD_MAX_BYTES) {
    throw new TrustError('INVALID_PARAMETERS', 'the password is too short or too long', {
      hint: `use ${PASSWORD_MIN_LENGTH} characters or more, and at most ${PASSWORD_MAX_BYTES} bytes`,
    })
  }
  if (password.startsWith('cs_')) {
    throw new TrustError('INVALID_PARAMETERS', 'a password must not begin with "cs_", as API tokens do')
  }
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, NO_PASSWORD)
  return { ...NO_PASSWORD, salt: salt.toString('base64'), hash: hash.toString('base64') }
}

/** True if the password is right. @throws TrustError CORRUPT if the stored parameters are weaker than the minimum */
export async function isPassword(stored: PasswordHash, password: string): Promise<boolean> {
  const salt = Buffer.from(stored.salt, 'base64')
  const expected = Buffer.from(stored.hash, 'base64')
  const { algorithm, memory, passes, lanes } = stored
  const strong = memory >= MEMORY_KIB && passes >= PASSES && lanes >= LANES
  if (algorithm !== 'argon2id' || !strong || salt.length < SALT_BYTES || expected.length !== HASH_BYTES) {
    throw new TrustError('CORRUPT', 'a stored password hash is weaker than allowed', {
      hint: 'set the password again: countersign user password NAME',
    })
  }
  return timingSafeEqual(await derive(password, salt, stored), expected)
}

async function derive(password: string, salt: Buffer, { memory, passes, lanes }: PasswordHash): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFC'))
  return hashOf('argon2id', { message, nonce: salt, parallelism: lanes, tagLength: HASH_BYTES, memory, passes })
}
