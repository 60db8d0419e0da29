import type { PasswordCheck } from '../access/passwords.ts'
import type { Overview } from '../http/overview.ts'
import type { Log } from '../log/log.ts'
import type { TokenSigner } from '../signing/routed-signer.ts'
import type { LevelStore } from '../store/level-store.ts'
import type { MainAnswers } from './messages.ts'

interface Parts {
  readonly store: LevelStore
  readonly passwords: PasswordCheck
  readonly overview: Overview
  readonly token: TokenSigner | undefined
  readonly log: Log
}

/** What the main thread does for the other threads. */
export function answersToThreads({ store, passwords, overview, token, log }: Parts): MainAnswers {
  const here = (): TokenSigner => {
    if (token === undefined) throw new Error('the settings name no token')
    return token
  }
  return {
    commit: (commit) => store.commitPacked(commit),
    readAnchor: () => store.readAnchor(),
    checkPassword: (...given) => passwords.check(...given),
    unready: () => overview.unready(),
    metrics: () => overview.metrics(),
    log: (lines) => log.lines?.(lines),
    createInToken: (...given) => here().create(...given),
    signInToken: (...given) => here().sign(...given),
    faultInToken: (...given) => here().fault(...given),
  }
}
