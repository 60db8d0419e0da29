import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { errorOf, TrustError } from '../../errors.ts'
import type { SignerReadiness } from '../signer.ts'
import type { Question, Reply, TokenCalls } from './child.ts'
import type { TokenSettings } from './token.ts'

const PROGRAM = new URL('./child.ts', import.meta.url)
/** Milliseconds that an idle process gets to end. */
const END_LIMIT = 1_000
/** Errors that mean that nobody can use the token now. */
const AWAY = ['SIGNER_UNAVAILABLE', 'BAD_KEYS']

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * The server's end of `child.ts`: starts that process with the first call, kills it when it hangs, and starts it again
 * when it is gone. Knows from the last answer whether the token can be used.
 */
export class Pkcs11Process {
  readonly #settings: () => Promise<TokenSettings>
  readonly #answerSeconds: number
  readonly #waiting = new Map<number, Waiting>()
  #child: Promise<ChildProcess> | undefined
  /** The child in use, from its fork on; others may end unnoticed. */
  #running: ChildProcess | undefined
  #asked = 0
  /** Runs while calls wait; every answer restarts it. */
  #limit: NodeJS.Timeout | undefined
  #reason: string | undefined
  /** True if the limit was reached and no answer has come since. */
  #silent = false

  /** @param answerSeconds without an answer for this long, the token counts as gone */
  constructor(settings: () => Promise<TokenSettings>, answerSeconds: number) {
    this.#settings = settings
    this.#answerSeconds = answerSeconds
  }

  get readiness(): SignerReadiness {
    return this.#reason === undefined ? { usable: true } : { usable: false, reason: this.#reason }
  }

  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /** @throws TrustError SIGNER_UNAVAILABLE, BAD_KEYS, BAD_SETTINGS, and what the call throws */
  async ask<Call extends Exclude<keyof TokenCalls, 'open'>>(
    call: Call,
    ...args: Parameters<TokenCalls[Call]>
  ): Promise<ReturnType<TokenCalls[Call]>> {
    // While the token hangs, only probes wait for it.
    if (this.#silent && call !== 'probe') throw this.#silence()
    const child = await (this.#child ?? this.#start())
    return this.#send(child, call, args)
  }

  async close(): Promise<void> {
    const child = await this.#child?.catch(() => undefined)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    const limit = setTimeout(() => child.kill('SIGKILL'), this.idle ? END_LIMIT : 0)
    if (child.connected) child.disconnect()
    await exit
    clearTimeout(limit)
  }

  #start(): Promise<ChildProcess> {
    const child = this.#settings().then((settings) => this.#spawn(settings))
    child.catch((error: Error) => {
      if (this.#child !== child) return
      this.#child = undefined
      this.#reason = error.message
    })
    return (this.#child = child)
  }

  async #spawn(settings: TokenSettings): Promise<ChildProcess> {
    // Discard its standard output: a library may print anything.
    const child = fork(PROGRAM, {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#running = child
    child.on('message', (reply: Reply) => this.#take(reply))
    child.on('error', () => this.#ended(child))
    child.on('exit', () => this.#ended(child))
    try {
      await this.#send(child, 'open', [settings])
      return child
    } catch (error) {
      // The reason is already known, so ignore the end of this process.
      this.#running = undefined
      child.kill('SIGKILL')
      throw error
    }
  }

  #send<Result>(child: ChildProcess, call: keyof TokenCalls, args: readonly unknown[]): Promise<Result> {
    const question: Question = { number: (this.#asked += 1), call, args }
    return new Promise((resolve, reject) => {
      this.#waiting.set(question.number, { resolve, reject })
      this.#limit ??= setTimeout(() => this.#giveUp(child), this.#answerSeconds * 1000)
      child.send(question, (error) => {
        if (error !== null) this.#ended(child)
      })
    })
  }

  #take({ number, value, failure }: Reply): void {
    const error = failure === undefined ? undefined : errorOf(failure)
    this.#silent = false
    this.#reason = error instanceof TrustError && AWAY.includes(error.code) ? error.message : undefined
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (this.#waiting.size > 0) this.#limit?.refresh()
    else this.#stopLimit()
    if (error === undefined) waiting?.resolve(value as never)
    else waiting?.reject(error)
  }

  #giveUp(child: ChildProcess): void {
    this.#silent = true
    this.#forget()
    child.kill('SIGKILL')
    this.#fail(this.#silence())
  }

  /** Handles the end of a child, by a fault of the library or a kill. The next call starts another one. */
  #ended(child: ChildProcess): void {
    // A child that was given up may end while the next one runs.
    if (this.#running !== child) return
    this.#forget()
    this.#fail(new TrustError('SIGNER_UNAVAILABLE', 'the process that speaks to the token ended'))
  }

  #forget(): void {
    this.#child = undefined
    this.#running = undefined
  }

  #fail(error: TrustError): void {
    this.#reason = error.message
    this.#stopLimit()
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #silence(): TrustError {
    const text = `the PKCS#11 token has not answered for ${this.#answerSeconds} seconds`
    return new TrustError('SIGNER_UNAVAILABLE', text)
  }

  #stopLimit(): void {
    clearTimeout(this.#limit)
    this.#limit = undefined
  }
}
