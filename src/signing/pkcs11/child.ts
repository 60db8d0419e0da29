import type * as Pkcs11 from 'pkcs11js'
import { failureOf, TrustError, type Failure } from '../../errors.ts'
import type { Gun } from '../../tuf/gun.ts'
import type { Role } from '../../tuf/role.ts'
import type { KeyAlgorithm, KeyName, Look, NewKey, RawSignature } from '../signer.ts'
import { Pkcs11Keys } from './keys.ts'
import { Pkcs11Token, type TokenSettings } from './token.ts'

/**
 * The process that talks to the token, so that a PKCS#11 library can neither block nor crash the server: its calls block,
 * some for as long as the network to the token does, and its faults end the process that loaded it.
 */

/** The calls that this process answers; `open` comes first, once. */
export interface TokenCalls {
  open(settings: TokenSettings): void
  probe(): void
  create(gun: Gun, role: Role, algorithm: KeyAlgorithm): NewKey
  sign(name: KeyName, sealed: Uint8Array, message: Uint8Array): RawSignature
  fault(name: KeyName, sealed: Uint8Array, look: Look): string | undefined
}

export interface Question {
  readonly number: number
  readonly call: keyof TokenCalls
  readonly args: readonly unknown[]
}

/** The answer to a question. The call returned, unless there is a `failure`. */
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
  fault: (...args) => opened(keys).fault(...args),
}

process.on('message', (question: Question) => process.send?.(answer(question)))
process.on('disconnect', () => {
  token?.close()
  process.exit()
})
// A terminal sends these to all its processes. Ignored: the server ends this one after its last request.
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

/** Loads an optional package: everything else works if it could not be built. */
async function loadBinding(): Promise<typeof Pkcs11 | undefined> {
  try {
    return ((await import('pkcs11js')) as unknown as { default: typeof Pkcs11 }).default
  } catch {
    return undefined
  }
}
