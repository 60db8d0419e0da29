import { z } from 'zod'

/**
 * Every setting: its name, type, default, limits and help text. Types, error messages, `countersign config` and the
 * documentation come from here.
 */
const seconds = z.number().int().positive()
const bytes = z.number().int().positive()
const count = z.number().int().positive()

/** Said in words, so that nobody sets it by accident. */
export const PLAIN_HTTP_WORDS = 'i-know-this-is-not-encrypted'
export const NO_AUTHENTICATION_WORDS = 'anyone-may-write'

const gunPrefix = z
  .string()
  .refine(
    (text) => text.endsWith('/') && !text.startsWith('/') && !text.startsWith('..'),
    'must end in "/" and not start with "/" or ".."',
  )

export const settingsSchema = z.strictObject({
  dataDirectory: z.string().min(1).default('data').describe('where LevelDB keeps everything'),
  keysDirectory: z.string().min(1).default('keys').describe('key-encryption key, keyring, anchor key, TLS identity'),
  anchorFile: z.string().min(1).optional().describe('the signed end of the journal; default: anchor in keysDirectory'),
  passphraseFile: z
    .string()
    .min(1)
    .optional()
    .describe('file with the passphrase; default: the key file in keysDirectory'),
  listen: z
    .strictObject({
      host: z.string().min(1).default('localhost').describe('name or address to listen on'),
      port: z.number().int().min(0).max(65535).default(4443).describe('port; 0 takes a free one'),
      plainHttp: z
        .literal(PLAIN_HTTP_WORDS)
        .optional()
        .describe(`HTTP without TLS, behind a proxy; the value must be "${PLAIN_HTTP_WORDS}"`),
      withoutAuthentication: z
        .literal(NO_AUTHENTICATION_WORDS)
        .optional()
        .describe(`needed to listen beyond loopback; the value must be "${NO_AUTHENTICATION_WORDS}"`),
    })
    .prefault({}),
  tls: z
    .strictObject({
      certificateFile: z.string().min(1).optional().describe('PEM chain; default: one made in keysDirectory/tls'),
      keyFile: z.string().min(1).optional().describe('PEM private key of the certificate'),
    })
    .prefault({}),
  keyAlgorithm: z.enum(['ed25519', 'ecdsa']).default('ed25519').describe('of the keys that the server makes'),
  timestampLifeDays: z.number().positive().max(365).default(14).describe('life of a timestamp; renewed at half of it'),
  snapshotLifeDays: z.number().positive().max(3650).default(1095).describe('life of a server-made snapshot'),
  gunPrefixes: z.array(gunPrefix).default([]).describe('only repositories under these may exist; empty: all'),
  renewIntervalSeconds: seconds.default(60).describe('between two looks for what must be re-signed'),
  shutdownSeconds: seconds.default(20).describe('for running requests at SIGTERM'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('of the JSON log'),
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
  limits: z
    .strictObject({
      bodyBytes: bytes.default(16 * 1024 * 1024).describe('one upload'),
      partBytes: bytes.default(8 * 1024 * 1024).describe('one document in an upload'),
      parts: count.default(128).describe('documents in an upload'),
      partHeaderBytes: bytes.default(4 * 1024).describe('header lines of one part'),
      parkedBytes: bytes.default(256 * 1024 * 1024).describe('all uploads that are being received, together'),
      urlBytes: bytes.default(8 * 1024).describe('path and query of a request'),
      headerBytes: bytes.default(16 * 1024).describe('header lines of a request'),
      headersSeconds: seconds.default(10).describe('for a client to send its header lines'),
      requestSeconds: seconds.default(30).describe('for a client to send a whole request'),
      keepAliveSeconds: seconds.default(5).describe('an idle connection is kept'),
      connections: count.default(10_000).describe('open at once'),
      publishesInFlight: count.default(64).describe('uploads worked on at once'),
      publishesWaitingPerGun: count.default(16).describe('updates waiting for one repository'),
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

/** What the HTTP layer needs of them. */
export type HttpSettings = Pick<Settings, 'listen' | 'cache' | 'limits' | 'gunPrefixes' | 'shutdownSeconds'>
