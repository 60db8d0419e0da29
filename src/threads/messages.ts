import type { KeyObject } from 'node:crypto'
import type { User } from '../access/user.ts'
import type { CountedMetrics } from '../http/overview.ts'
import type { TlsMaterial } from '../http/server.ts'
import type { CheckReport } from '../repository/check.ts'
import type { Settings } from '../settings/schema.ts'
import type { SharedKeyring } from '../signing/keyring.ts'
import type { KeyName, Look, NewKey, RawSignature } from '../signing/signer.ts'
import type { Anchor } from '../store/anchor.ts'
import type { PackedCommit } from '../store/commit/packed-commit.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Role } from '../tuf/role.ts'

/** What a thread is started with. Private keys come as handles: no thread's JavaScript memory holds their bytes. */
export interface ThreadStart {
  /** The thread listens where the main thread does: address and port are those that it got. */
  readonly settings: Settings
  readonly tls: TlsMaterial | undefined
  /** URL of the token endpoint. */
  readonly realm: string
  readonly shared: SharedArrayBuffer
  readonly keyring: SharedKeyring
  /** File with the keys of an external token service. */
  readonly tokenKeys: Uint8Array | undefined
  /** Of the built-in token endpoint. */
  readonly tokenKey: KeyObject | undefined
}

/** What a thread that checks the store is started with. */
export type CheckStart = Pick<ThreadStart, 'settings' | 'keyring'>

/** What other threads ask of the main thread, which has the only writer, the token, and the count of wrong passwords. */
export type MainAnswers = {
  commit(commit: PackedCommit): Promise<number>
  readAnchor(): Promise<Anchor>
  checkPassword(name: string, password: string, address: string | undefined): Promise<User | undefined>
  unready(): Promise<Readonly<Record<string, string>>>
  metrics(): Promise<string>
  /** Lines of the log. */
  log(lines: string): void
  createInToken(gun: Gun, role: Role): Promise<NewKey>
  signInToken(name: KeyName, sealed: Uint8Array, message: Uint8Array): Promise<RawSignature>
  faultInToken(name: KeyName, sealed: Uint8Array, look: Look): Promise<string | undefined>
}

/** What the main thread asks of the others. */
export type ThreadAnswers = {
  /** Resolves when the thread listens. */
  started(): Promise<void>
  /** Releases the database; `regain` opens it again. */
  release(): Promise<void>
  regain(): Promise<void>
  counted(): Promise<CountedMetrics>
  /** Uses this for all connections from now on. */
  useTls(tls: TlsMaterial | undefined): Promise<void>
  /** Uses these keys of the external token service from now on. */
  useTokenKeys(bytes: Uint8Array): Promise<void>
  /** Takes no new connections, finishes running requests, releases the database. */
  stop(): Promise<void>
}

/** What the main thread asks of a thread that checks the store. */
export type CheckAnswers = {
  /** @param now milliseconds since 1970 */
  check(now: number): Promise<CheckReport>
  /** Releases the database: a running check fails. */
  release(): Promise<void>
}
