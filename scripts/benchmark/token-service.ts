import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { libtrustId } from '../../src/access/certificate-keys.ts'
import { parseCertificateBundle } from '../../src/tuf/asn1/x509.ts'
import { issueCertificate } from '../../test/support/certificate.ts'

const HOUR = 3_600

/** What a server must know about the service whose tokens it accepts. */
interface TokenSettings {
  readonly realm: string
  readonly issuer: string
  readonly service: string
  /** PEM. */
  readonly bundle: string
}

/** Makes tokens like the token services of docker's registries: RS256, with the key named by its libtrust id. */
export class TokenService {
  readonly settings: TokenSettings
  readonly #key: KeyObject
  readonly #header: string

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const now = Date.now()
    const validity = { notBefore: now - HOUR * 1000, notAfter: now + 24 * HOUR * 1000 }
    const bundle = issueCertificate({ commonName: 'tokens', publicKey, signer: privateKey, ...validity })
    const [certificate] = parseCertificateBundle(Buffer.from(bundle)) ?? []
    if (certificate === undefined) throw new Error('a certificate that cannot be read')
    this.settings = { realm: 'https://tokens.example/', issuer: 'tokens.example', service: 'bench', bundle }
    this.#key = privateKey
    this.#header = encoded({ typ: 'JWT', alg: 'RS256', kid: libtrustId(certificate) })
  }

  /** Makes a token that no server has seen. @param actions `pull`, `push` */
  async token(gun: string, actions: readonly string[]): Promise<string> {
    const { issuer: iss, service: aud } = this.settings
    const now = Math.floor(Date.now() / 1000)
    const times = { exp: now + HOUR, nbf: now - 10, iat: now }
    const access = [{ type: 'repository', name: gun, actions }]
    const signed = `${this.#header}.${encoded({ iss, sub: 'bench', aud, ...times, jti: randomUUID(), access })}`
    const signature = await signed256(Buffer.from(signed), this.#key)
    return `${signed}.${signature.toString('base64url')}`
  }
}

/** Signs on other threads, since thousands are made at once. */
const signed256 = (bytes: Buffer, key: KeyObject): Promise<Buffer> => promisify(sign)('sha256', bytes, key)

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
