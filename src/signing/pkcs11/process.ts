import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { errorOf, TrustError } from '../../errors.ts'
import type { SignerReadiness } from '../signer.ts'
import type { Question, Reply, TokenCalls } from './child.ts'
import type { TokenSettings } from './token.ts'

const PROGRAM = new URL('./child.ts', import.meta.url)
/** Milliseconds that it may take to end when nothing is left to do. */
const END_LIMIT = 1_000
/** What says that the token cannot be used now, by whomever. */
const AWAY = ['SIGNER_UNAVAILABLE', 'BAD_KEYS']

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * The other end of `child.ts`: starts it with the first call, ends it when it hangs, and starts it again when it
 * is gone. Knows whether the token can be used, from the last answer.
 */
export class Pkcs11Process {
  readonly #settings: () => Promise<TokenSettings>
  readonly #answerSeconds: number
  readonly #waiting = new Map<number, Waiting>()
  #child: Promise<ChildProcess> | undefined
  /** The one whose end matters, from its fork on. */
  #running: ChildProcess | undefined
  #asked = 0
  /** Runs while calls wait, from the last answer on. */
  #limit: NodeJS.Timeout | undefined
  #reason: string | undefined
  /** The limit was reached, and nothing was answered since. */
  #silent = false

  /** @param answerSeconds without any answer for so long, the token is taken for gone */
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
    // While a token hangs only probes wait for it.
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
    child.catch(() => {
      if (this.#child === child) this.#child = undefined
    })
    return (this.#child = child)
  }

  async #spawn(settings: TokenSettings): Promise<ChildProcess> {
    // Its standard output is not ours: a library may print what it likes.
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
      // Why it cannot be used is known: that its process ends now is no news.
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

  /** By a fault of the library, or killed: the next call starts another one. */
  #ended(child: ChildProcess): void {
    // One that was given up may end when the next one runs.
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
