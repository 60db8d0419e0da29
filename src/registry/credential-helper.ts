import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { TrustError } from '../errors.ts'

/** A helper program's name: never a path. */
const HELPER = /^[\w.-]+$/
/** What a helper says, and ends with an error, if it has nothing for an account. */
const NOT_FOUND = 'credentials not found in native keychain'
/** Longest complaint of a helper to quote, in characters. */
const COMPLAINT_MAX = 200
/** Milliseconds that a helper may take; some prompt a person. */
const HELPER_TIMEOUT = 60_000

/**
 * Runs `docker-credential-NAME get`: the account on standard input, JSON on standard output.
 *
 * @returns undefined if the helper has nothing for the account
 * @throws TrustError BAD_SETTINGS if it cannot be run, does not answer, or fails
 */
export async function askHelper(
  name: string,
  account: string,
): Promise<{ username: string; password: string } | undefined> {
  if (!HELPER.test(name)) throw new TrustError('BAD_SETTINGS', `"${name}" is not the name of a credential helper`)
  const program = `docker-credential-${name}`
  // Not the `timeout` option: if the program does not exist, its timer keeps the command alive for a minute.
  const signal = AbortSignal.timeout(HELPER_TIMEOUT)
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' })
  const refuse = (cause: unknown): never => {
    const why = signal.aborted ? 'does not answer' : 'cannot be run'
    throw new TrustError('BAD_SETTINGS', `docker's configuration names ${program}, which ${why}`, { cause })
  }
  child.stdin.on('error', () => undefined)
  child.stdin.end(account)
  const answering = Promise.all([text(child.stdout), once(child, 'exit')]).catch(refuse)
  // A process that the helper started may hold its output open after the helper has exited; the child reports no error
  // then.
  const silent = once(signal, 'abort').then(refuse)
  const [answer, [code]] = await Promise.race([answering, silent]).finally(() => child.stdout.destroy())
  const said = answer.trim()
  if (said === NOT_FOUND) return undefined
  if (code !== 0) {
    // An answer, perhaps after a warning, may hold a password.
    const why = said === '' || said.includes('{') ? '' : `: ${said.slice(0, COMPLAINT_MAX)}`
    throw new TrustError('BAD_SETTINGS', `docker's configuration names ${program}, which fails${why}`)
  }
  try {
    const { Username: username, Secret: password } = JSON.parse(said) as { Username?: string; Secret?: string }
    // Like docker, treat empty ones as none.
    return username && password ? { username, password } : undefined
  } catch {
    return undefined
  }
}
