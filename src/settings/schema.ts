import { z } from 'zod'
import { bytes, count, gunPrefix, hostName, network, path, seconds, secureUrl, signerRule, url } from './values.ts'

/** Spelled out, so that nobody sets one by accident. */
export const PLAIN_HTTP_WORDS = 'i-know-this-is-not-encrypted'
export const NO_AUTHENTICATION_WORDS = 'anyone-may-write'
export const PUBLIC_ADMIN_WORDS = 'admin-api-on-the-public-listener'

/**
 * Seconds. A proxy should be the first to close an idle connection: a request that it sends just as the server closes
 * one is lost, and the client gets a 502. Caddy keeps idle connections for two minutes, others for less.
 */
export const KEEP_ALIVE_FOR_PROXIES = 125

/** Name of the anchor in the keys directory, unless a setting names another place. */
export const ANCHOR = 'anchor'

/**
 * Every setting: its name, type, default, limits and help text. Types, error messages, `countersign config` and the
 * documentation come from here.
 */
export const settingsSchema = z.strictObject({
  dataDirectory: path.default('data').describe('where LevelDB keeps everything'),
  keysDirectory: path.default('keys').describe('key-encryption key, keyring, anchor key, TLS identity'),
  anchorFile: path.optional().describe(`the signed end of the journal; default: ${ANCHOR} in keysDirectory`),
  passphraseFile: path
    .optional()
    .describe('file with the passphrase, readable by its owner only; default: the key file in keysDirectory'),
  listen: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .default('localhost')
        .describe('address or name to listen on; of a name, its IPv4 address if it has one'),
      port: z.number().int().min(0).max(65535).default(4443).describe('port; 0 takes a free one'),
      plainHttp: z
        .literal(PLAIN_HTTP_WORDS)
        .optional()
        .describe(`HTTP without TLS, behind a proxy; the value must be "${PLAIN_HTTP_WORDS}"`),
      withoutAuthentication: z
        .literal(NO_AUTHENTICATION_WORDS)
        .optional()
        .describe(`needed to listen beyond loopback; the value must be "${NO_AUTHENTICATION_WORDS}"`),
      trustedProxies: z
        .array(network)
        .default([])
        .describe('addresses or networks of proxies whose X-Forwarded-For is trusted'),
    })
    .prefault({}),
  threads: count
    .max(64)
    .optional()
    .describe(
      'threads that answer requests; default: one for each core but one, at most four (one where ports cannot be shared)',
    ),
  tls: z
    .strictObject({
      certificateFile: path.optional().describe('PEM chain; default: one made in keysDirectory/tls'),
      keyFile: path.optional().describe('PEM private key of the certificate'),
      names: z
        .array(hostName)
        .default([])
        .describe('more names and addresses for the certificate that the server makes'),
    })
    .prefault({}),
  access: z
    .strictObject({
      mode: z
        .enum(['none', 'built-in', 'external'])
        .default('none')
        .describe(
          'who may do what; none: anybody may do anything; built-in: users and tokens of this server; external: a token service',
        ),
      realm: secureUrl
        .optional()
        .describe('URL of the token endpoint as clients reach it; default for built-in: listen.host and port'),
      service: z
        .string()
        .regex(/^[\w.:/-]{1,200}$/, 'must be 1 to 200 letters, digits, "_", ".", ":", "/" and "-"')
        .default('countersign')
        .describe('name of this server in tokens (their "aud")'),
      publicReads: z.boolean().default(false).describe('true: everybody may read all repositories'),
      tokenLifeSeconds: z
        .number()
        .int()
        .min(60)
        .max(3600)
        .default(300)
        .describe('life of tokens of the built-in endpoint'),
      issuer: z.string().min(1).optional().describe('issuer of the external service\'s tokens (their "iss")'),
      jwksFile: path.optional().describe("the external service's keys: a JSON Web Key Set"),
      jwksUrl: secureUrl.optional().describe('URL to fetch that Key Set from'),
      certificateBundleFile: path
        .optional()
        .describe('the external service\'s keys: PEM certificates, as "rootcertbundle" of docker\'s registry'),
      clientCertificates: z
        .strictObject({
          caFile: path.describe('PEM file with the CAs of client certificates, for both listeners'),
          users: z
            .array(z.string().regex(/^[^=]+=[^=]+$/, 'must be COMMON NAME=USER'))
            .default([])
            .describe("COMMON NAME=USER, one for each certificate; none: the common name is the user's name"),
        })
        .optional(),
    })
    .prefault({}),
  admin: z
    .strictObject({
      listen: z
        .strictObject({
          host: z.string().min(1).default('localhost').describe('name or address for the admin API'),
          port: z
            .number()
            .int()
            .min(0)
            .max(65535)
            .describe('port for the admin API, over TLS; default: none, only the control socket'),
        })
        .optional(),
      public: z
        .literal(PUBLIC_ADMIN_WORDS)
        .optional()
        .describe(`the admin API on the public listener too; the value must be "${PUBLIC_ADMIN_WORDS}"`),
    })
    .prefault({}),
  keyAlgorithm: z
    .enum(['ecdsa', 'ed25519'])
    .default('ecdsa')
    .describe(
      'for keys that the server makes: ecdsa (P-256), or ed25519, which Connaisseur before 3.4 does not support',
    ),
  signers: z
    .strictObject({
      pkcs11: z
        .strictObject({
          library: path.describe('path of the PKCS#11 library of the token (.so)'),
          tokenLabel: z.string().min(1).optional().describe('label of the token; or give slot'),
          slot: z.number().int().min(0).optional().describe('number of the slot that the token is in'),
          pinFile: path.describe("file with the token's user PIN, readable by its owner only"),
          keyAlgorithm: z
            .enum(['ecdsa', 'ed25519'])
            .default('ecdsa')
            .describe(
              'for new keys in the token: ecdsa (P-256; the default), or ed25519, which many tokens do not support',
            ),
          answerSeconds: seconds
            .default(10)
            .describe('time without an answer after which the token counts as gone; default: 10'),
        })
        .optional(),
      rules: z
        .array(signerRule)
        .default([])
        .describe('where new keys are made: [{ role, gun, signer }], the first rule that matches; none: file'),
    })
    .prefault({}),
  timestampLifeDays: z.number().positive().max(365).default(14).describe('life of a timestamp; renewed at half of it'),
  snapshotLifeDays: z.number().positive().max(3650).default(1095).describe('life of a server-made snapshot'),
  gunPrefixes: z
    .array(gunPrefix)
    .default([])
    .describe('only repositories under these may exist, as in docker.io/acme/; empty: all'),
  renewIntervalSeconds: seconds
    .default(60)
    .describe('how often to look for what must be re-signed, and for new TLS certificates and token keys'),
  shutdownSeconds: seconds.default(20).describe('time for running requests to finish at SIGTERM'),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('level of the JSON log: debug, info, warn, error, or silent'),
  cache: z
    .strictObject({
      currentSeconds: z.number().int().min(0).max(31_536_000).default(300).describe('max-age of current documents'),
      consistentSeconds: z
        .number()
        .int()
        .min(0)
        .max(31_536_000)
        .default(2_592_000)
        .describe('max-age of documents by checksum or version'),
    })
    .prefault({}),
  rotation: z
    .strictObject({
      keyAgeDays: z
        .number()
        .positive()
        .max(36_500)
        .optional()
        .describe('age at which keys of the server are rotated: the next root is made, and waits for signatures'),
    })
    .prefault({}),
  webhook: z
    .strictObject({
      url: url.optional().describe('URL to notify 60, 30, 7 and 1 days before something ends'),
      secretFile: path
        .optional()
        .describe('file with the secret that signs webhook messages, readable by its owner only'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      bodyBytes: bytes.default(16 * 1024 * 1024).describe('one upload'),
      partBytes: bytes.default(8 * 1024 * 1024).describe('one document in an upload'),
      parts: count.default(128).describe('documents in an upload'),
      partHeaderBytes: bytes.default(4 * 1024).describe('header lines of one part'),
      parkedBytes: bytes
        .default(256 * 1024 * 1024)
        .describe(
          'all uploads being received, together; no sender gets more than is left free; the admin API likewise',
        ),
      urlBytes: bytes.default(8 * 1024).describe('path and query of a request'),
      headerBytes: bytes.default(16 * 1024).describe('header lines of a request'),
      headersSeconds: seconds.default(10).describe('time for a client to send its header lines'),
      requestSeconds: seconds.default(30).describe('time for a client to send a whole request'),
      answerSeconds: seconds.default(60).describe('time for a client to read some more of its answer'),
      keepAliveSeconds: seconds
        .default(5)
        .describe(
          `how long an idle connection is kept; behind a proxy (listen.plainHttp, listen.trustedProxies) ${KEEP_ALIVE_FOR_PROXIES}`,
        ),
      connections: count.default(10_000).describe('connections open at once'),
      publishesInFlight: count.default(64).describe('uploads worked on at once'),
      publishBytesInFlight: bytes
        .default(8 * 1024 * 1024)
        .describe('of these, all over 64 KiB together; the rest waits for room'),
      publishesWaitingPerGun: count
        .default(16)
        .describe('updates waiting for one repository; for users, tokens, signers and rules, all together'),
      tokenBytes: bytes.default(16 * 1024).describe('an Authorization header'),
    })
    .prefault({}),
})

export type SettingsInput = z.input<typeof settingsSchema>
type Parsed = z.output<typeof settingsSchema>

/** All settings, checked, with their defaults. */
export interface Settings extends Parsed {
  readonly anchorFile: string
}

/** The settings that the HTTP layer needs. */
export type HttpSettings = Pick<Settings, 'access' | 'listen' | 'cache' | 'limits' | 'gunPrefixes' | 'shutdownSeconds'>
