import type * as Pkcs11 from 'pkcs11js'
import { failureOf, TrustError, type Failure } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Role } from '../../tuf/role.ts'
import type { KeyAlgorithm, KeyOwner, NewKey, RawSignature } from '../signer.ts'
import { Pkcs11Keys } from './keys.ts'
import { Pkcs11Token, type TokenSettings } from './token.ts'

/**
 * The process that speaks to the token. Calls of a PKCS#11 library block, some for as long as the network to the token
 * does, and its faults end the process that it is loaded into: neither must happen to the server.
 */

/** What can be asked of it; `open` first, once. */
export interface TokenCalls {
  open(settings: TokenSettings): void
  probe(): void
  create(gun: Gun, role: Role, algorithm: KeyAlgorithm): NewKey
  sign(owner: KeyOwner, sealed: Uint8Array, message: Uint8Array): RawSignature
  opens(owner: KeyOwner, sealed: Uint8Array): boolean
}

export interface Question {
  readonly number: number
  readonly call: keyof TokenCalls
  readonly args: readonly unknown[]
}

/** Without `failure` the call returned. */
export interface Reply {
  readonly number: number
  readonly value?: unknown
  readonly failure?: Failure
}

const pkcs11 = await loadBinding()
let token: Pkcs11Token | undefined
let keys: Pkcs11Keys | undefined

const calls: TokenCalls = {
  open(settings) {
    if (pkcs11 === undefined) {
      throw new TrustError('BAD_SETTINGS', 'the settings ask for PKCS#11, but the package pkcs11js is not installed', {
        hint: '"npm ci --include=dev --foreground-scripts", where Countersign is installed, builds it and says why it cannot',
      })
    }
    token = new Pkcs11Token(pkcs11, settings)
    keys = new Pkcs11Keys(token)
  },
  probe: () => opened(token).probe(),
  create: (...args) => opened(keys).create(...args),
  sign: (...args) => opened(keys).sign(...args),
  opens: (...args) => opened(keys).opens(...args),
}

process.on('message', (question: Question) => process.send?.(answer(question)))
process.on('disconnect', () => {
  token?.close()
  process.exit()
})
// These reach all processes of a terminal; the server ends this one when its last request is answered.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined)

function answer({ number, call, args }: Question): Reply {
  try {
    return { number, value: (calls[call] as (...given: readonly unknown[]) => unknown)(...args) }
  } catch (error) {
    return { number, failure: failureOf(error) }
  }
}

function opened<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('the token was not opened')
  return part
}

/** An optional package: where it could not be built, everything else works. */
async function loadBinding(): Promise<typeof Pkcs11 | undefined> {
  try {
    return ((await import('pkcs11js')) as unknown as { default: typeof Pkcs11 }).default
  } catch {
    return undefined
  }
}
