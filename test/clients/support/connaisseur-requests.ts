import { exchange, type Answer, type Endpoint } from '../../support/exchange.ts'

const SCHEMES = 'Basic|Bearer|Digest|HOBA|Mutual|Negotiate|OAuth|SCRAM-SHA-1|SCRAM-SHA-256|vapid'
const PARAMETERS = /(\w+)="?([\w./:\-_]+)"?/g
const TOKEN = /^[A-Za-z0-9-_=]+\.[A-Za-z0-9-_=]+\.?[A-Za-z0-9-_.+/=]*$/

/**
 * Reads a repository like Connaisseur before 3.4 (connaisseur/validators/notaryv1/notary.py): root first, then the
 * rest, with the token that root needed, if any.
 */
export class ConnaisseurRequests {
  readonly #server: Endpoint
  readonly #gun: string
  readonly #auth: string | undefined
  #token: string | undefined

  /** @param auth `user:password` */
  constructor(server: Endpoint, gun: string, auth: string | undefined) {
    this.#server = server
    this.#gun = gun
    this.#auth = auth
  }

  /** Returns the text of a role's current file. @throws Error with Connaisseur's reason to stop */
  async read(role: string): Promise<string> {
    let answer = await this.#get(role)
    if (role === 'root' && answer.status === 401) {
      this.#token = await this.#askToken(answer.headers['www-authenticate'] ?? '')
      answer = await this.#get(role)
    }
    if (answer.status !== 200) throw new Error(`${role}: ${answer.status}`)
    return answer.body.toString()
  }

  async #get(role: string): Promise<Answer> {
    const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    return exchange(this.#server, { path: `/v2/${this.#gun}/_trust/tuf/${role}.json`, headers })
  }

  async #askToken(challenge: string): Promise<string> {
    const scheme = new RegExp(`(${SCHEMES}) realm`).exec(challenge)?.[1]
    if (scheme !== 'Bearer') throw new Error(`challenge: ${challenge}`)
    const { realm = '', ...rest } = Object.fromEntries(
      [...challenge.matchAll(PARAMETERS)].map(([, name = '', value = '']) => [name, value]),
    )
    const query = Object.entries(rest).map(([name, value]) => `${name}=${value}`)
    const url = `${realm}?${query.join('&')}`
    if (!url.startsWith('https') || url.includes('..') || url.split('//').length > 2) throw new Error(`realm: ${url}`)
    if (!url.startsWith(`${this.#server.url}/`)) throw new Error(`another server: ${url}`)
    const basic = `Basic ${Buffer.from(this.#auth ?? '').toString('base64')}`
    const headers = this.#auth === undefined ? {} : { authorization: basic }
    const { status, body } = await exchange(this.#server, { path: url.slice(this.#server.url.length), headers })
    if (status >= 400) throw new Error(`token: ${status}`)
    const { token = '' } = JSON.parse(body.toString()) as { token?: string }
    if (!TOKEN.test(token)) throw new Error(`token: ${token}`)
    return token
  }
}
