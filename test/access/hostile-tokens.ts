import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { issueCertificate } from '../support/certificate.ts'
import { ALGORITHMS, base64url, forge, signature, type ServiceKeys } from './token-forge.ts'

/** A token that must be refused, and what is wrong with it. */
interface Hostile {
  readonly name: string
  readonly token: string
}

export interface Claims extends Record<string, unknown> {
  readonly iss: string
  readonly aud: string
  readonly sub: string
  readonly exp: number
  readonly nbf: number
  readonly iat: number
  readonly access: readonly object[]
}

/** Returns the claims of a valid token. @param now milliseconds since 1970 */
export function goodClaims(gun: string, now: number): Claims {
  const seconds = Math.floor(now / 1000)
  const access = [{ type: 'repository', name: gun, actions: ['*'] }]
  return {
    iss: 'issuer.example',
    aud: 'notary',
    sub: 'mallory',
    exp: seconds + 300,
    nbf: seconds - 10,
    iat: seconds,
    access,
  }
}

/** Makes a valid token, signed with one of the service's keys. */
export function goodToken(keys: ServiceKeys, kid: keyof ServiceKeys, claims: object, header: object = {}): string {
  const alg = ALGORITHMS[kid]
  return forge(JSON.stringify({ typ: 'JWT', alg, kid, ...header }), JSON.stringify(claims), alg, keys[kid].privateKey)
}

/** Makes all hostile tokens. Each differs from a valid one in what its name says. */
export function hostileTokens(keys: ServiceKeys, claims: Claims, now: number): Hostile[] {
  return [
    ...algorithms(keys, claims),
    ...keyIds(keys, claims),
    ...headerMembers(keys, claims, now),
    ...claimValues(keys, claims),
    ...accessLists(keys, claims),
    ...texts(keys, claims),
    ...structures(goodToken(keys, 'p256', claims)),
    ...signatures(keys, claims),
  ]
}

const json = (value: unknown): string => JSON.stringify(value)
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function algorithms(keys: ServiceKeys, claims: Claims): Hostile[] {
  const spki = keys.p256.publicKey.export({ type: 'spki', format: 'der' })
  const pem = String(keys.p256.publicKey.export({ type: 'spki', format: 'pem' }))
  const rsaPem = String(keys.rsa.publicKey.export({ type: 'spki', format: 'pem' }))
  const secrets: Record<string, Buffer> = {
    PEM: Buffer.from(pem),
    'PEM without its last line end': Buffer.from(pem.trimEnd()),
    DER: spki,
    'the point': spki.subarray(-65),
    JWK: Buffer.from(json(keys.p256.publicKey.export({ format: 'jwk' }))),
    'the PEM of the RSA key': Buffer.from(rsaPem),
    nothing: Buffer.alloc(0),
  }
  const symmetric = ['HS256', 'HS384', 'HS512'].flatMap((alg) =>
    Object.entries(secrets).flatMap(([what, secret]) =>
      (['p256', 'rsa'] as const).map((kid) => ({
        name: `${alg} with ${what} as the secret, kid ${kid}`,
        token: forge(json({ alg, kid }), json(claims), alg, createSecretKey(secret)),
      })),
    ),
  )
  const unsigned = ['none', 'None', 'NONE', 'nOnE', '', 'null', 'HS256', 'ES256'].flatMap((alg) => {
    const signed = `${base64url(json({ typ: 'JWT', alg, kid: 'p256' }))}.${base64url(json(claims))}`
    return [
      { name: `alg "${alg}", no signature`, token: `${signed}.` },
      { name: `alg "${alg}", a signature of one byte`, token: `${signed}.AA` },
      { name: `alg "${alg}", two parts`, token: signed },
    ]
  })
  const odd = [null, 7, ['ES256'], { alg: 'ES256' }, true, 'es256', 'ES256 ', 'ES256K', 'RS1', 'ES512', 'dir'].map(
    (alg) => ({
      name: `alg is ${json(alg)}`,
      token: forge(json({ alg, kid: 'p256' }), json(claims), 'ES256', keys.p256.privateKey),
    }),
  )
  const crossed = (['p256', 'p384', 'rsa', 'ed'] as const).flatMap((signer) =>
    (['p256', 'p384', 'rsa', 'ed'] as const)
      .filter((kid) => kid !== signer)
      .flatMap((kid) => [
        {
          name: `signed by ${signer}, kid ${kid}, alg of the signer`,
          token: forge(
            json({ alg: ALGORITHMS[signer], kid }),
            json(claims),
            ALGORITHMS[signer],
            keys[signer].privateKey,
          ),
        },
        {
          name: `signed by ${signer}, kid ${kid}, alg of the kid`,
          token: forge(json({ alg: ALGORITHMS[kid], kid }), json(claims), ALGORITHMS[signer], keys[signer].privateKey),
        },
      ]),
  )
  const pss = ['PS256', 'PS384', 'PS512'].map((alg) => ({
    name: `${alg} by the RSA key, which is for RS256`,
    token: forge(json({ alg, kid: 'rsa' }), json(claims), alg, keys.rsa.privateKey),
  }))
  const missing = { name: 'no alg', token: forge(json({ kid: 'p256' }), json(claims), 'ES256', keys.p256.privateKey) }
  return [...symmetric, ...unsigned, ...odd, ...crossed, ...pss, missing]
}

function keyIds(keys: ServiceKeys, claims: Claims): Hostile[] {
  const ids: unknown[] = [
    ...[null, 7, [], ['p256'], {}, true, '', 'P256', 'p256 ', ' p256', 'p256\u0000', 'p\u200b256', 'p２56'],
    ...[
      '../../../../dev/null',
      '/dev/null',
      'file:///etc/passwd',
      "x' OR '1'='1",
      '__proto__',
      'constructor',
      'toString',
    ],
    ...['http://localhost/jwks', 'unknown', 'x'.repeat(400), 'y'.repeat(5_000), '|/usr/bin/id', '*', '0'],
  ]
  return [
    ...ids.map((kid) => ({
      name: `kid is ${json(kid).slice(0, 60)}`,
      token: forge(json({ alg: 'ES256', kid }), json(claims), 'ES256', keys.p256.privateKey),
    })),
    { name: 'no kid', token: forge(json({ alg: 'ES256' }), json(claims), 'ES256', keys.p256.privateKey) },
    {
      name: "kid p256, by a stranger's key",
      token: forge(json({ alg: 'ES256', kid: 'p256' }), json(claims), 'ES256', stranger.privateKey),
    },
  ]
}

function headerMembers(keys: ServiceKeys, claims: Claims, now: number): Hostile[] {
  const jwk = stranger.publicKey.export({ format: 'jwk' })
  const own = keys.p256.publicKey.export({ format: 'jwk' })
  const certificate = issueCertificate({
    commonName: 'issuer.example',
    publicKey: stranger.publicKey,
    signer: stranger.privateKey,
    notBefore: now - 1000,
    notAfter: now + 1_000_000,
  })
  const x5c = [certificate.replace(/-----[^-]+-----|\n/g, '')]
  const members: [name: string, member: object, byStranger: boolean][] = [
    ["a stranger's jwk", { jwk }, true],
    ["a stranger's jwk with the kid of ours", { jwk: { ...jwk, kid: 'p256' } }, true],
    ['the right jwk', { jwk: own }, false],
    ["a stranger's x5c", { x5c }, true],
    ['x5c that is not asked for', { x5c }, false],
    ['empty x5c', { x5c: [] }, false],
    ['x5c that is a text', { x5c: x5c[0] }, true],
    ['jku', { jku: 'http://localhost:1/jwks.json' }, true],
    ['jku and the right key', { jku: 'http://localhost:1/jwks.json' }, false],
    ['x5u', { x5u: 'http://localhost:1/certificate' }, true],
    ['crit', { crit: ['exp'] }, false],
    ['empty crit', { crit: [] }, false],
    ['crit b64', { crit: ['b64'], b64: true }, false],
    ['b64 false', { b64: false }, false],
    ['b64 false, crit', { b64: false, crit: ['b64'] }, false],
    ['zip', { zip: 'DEF' }, false],
    ['enc', { enc: 'A128GCM' }, false],
    ['cty JWT', { cty: 'JWT' }, false],
    ['an unknown member', { anything: 1 }, false],
    ['ALG beside alg', { ALG: 'none' }, false],
    ['__proto__', JSON.parse('{"__proto__":{"alg":"none"}}') as object, false],
    ['typ JWE', { typ: 'JWE' }, false],
    ['typ number', { typ: 7 }, false],
    ['typ null', { typ: null }, false],
  ]
  return members.map(([name, member, byStranger]) => ({
    name: `header with ${name}`,
    token: forge(
      // Not a spread: `__proto__` must be a member.
      `${json({ alg: 'ES256', kid: 'p256' }).slice(0, -1)},${json(member).slice(1)}`,
      json(claims),
      'ES256',
      (byStranger ? stranger : keys.p256).privateKey,
    ),
  }))
}

function claimValues(keys: ServiceKeys, claims: Claims): Hostile[] {
  const seconds = claims.iat
  const values: Record<string, unknown[]> = {
    iss: [undefined, null, '', 7, 'Issuer.example', 'issuer.example/', 'issuer.exampl', ['issuer.example'], { iss: 1 }],
    aud: [
      undefined,
      null,
      '',
      7,
      'Notary',
      'notary-server',
      'notar',
      ['other', 'Notary'],
      ['notary', 7],
      [['notary']],
      [],
      { aud: 'notary' },
    ],
    exp: [undefined, null, 0, -1, seconds - 61, seconds - 86_400, `${seconds + 300}`, true, [seconds + 300], {}],
    nbf: [null, seconds + 62, seconds + 86_400, `${seconds}`, true, [0]],
    iat: [null, seconds + 62, seconds + 86_400, `${seconds}`, false],
    sub: [7, true, ['alice'], { name: 'alice' }, 'a\u0000b', 'a\nb', 'a\u001bb', 'x'.repeat(513)],
  }
  return Object.entries(values).flatMap(([claim, list]) =>
    list.map((value) => ({
      name: `${claim} is ${json(value)?.slice(0, 60) ?? 'missing'}`,
      token: goodToken(keys, 'p256', { ...claims, [claim]: value }),
    })),
  )
}

function accessLists(keys: ServiceKeys, claims: Claims): Hostile[] {
  const [entry = {}] = claims.access
  const lists: unknown[] = [
    ...['*', 7, true, {}, entry, [null], [7], ['*'], [[entry]], [{}], [{ ...entry, actions: '*' }]],
    ...[{ actions: {} }, { actions: [7] }, { actions: [null] }, { actions: [['*']] }, { actions: undefined }].map(
      (flaw) => [{ ...entry, ...flaw }],
    ),
    ...[{ name: undefined }, { name: null }, { name: 7 }, { name: ['*'] }, { name: 'x'.repeat(600) }].map((flaw) => [
      { ...entry, ...flaw },
    ]),
    ...[{ type: undefined }, { type: null }, { type: 7 }].map((flaw) => [{ ...entry, ...flaw }]),
    [entry, 7],
    Array.from({ length: 101 }, () => entry),
    [{ ...entry, actions: Array.from({ length: 101 }, () => '*') }],
  ]
  return lists.map((access) => ({
    name: `access is ${json(access).slice(0, 120)}`,
    token: goodToken(keys, 'p256', { ...claims, access }),
  }))
}

/** Payloads and headers with valid signatures that two parsers could read in two ways. */
function texts(keys: ServiceKeys, claims: Claims): Hostile[] {
  const good = json(claims)
  const open = good.slice(0, -1)
  const head = json({ alg: 'ES256', kid: 'p256' })
  const payloads: Record<string, string | Buffer> = {
    'exp twice': `${open},"exp":${claims.exp}}`,
    'exp twice, escaped': `${open},"\\u0065xp":${claims.exp}}`,
    'iss twice': `{"iss":"other",${good.slice(1)}`,
    'aud twice': `${open},"aud":"notary"}`,
    'access twice': `{"access":[],${good.slice(1)}`,
    'actions twice': good.replace('"actions":', '"actions":[],"actions":'),
    'a fraction': good.replace(`"exp":${claims.exp}`, `"exp":${claims.exp}.5`),
    'an exponent': good.replace(`"exp":${claims.exp}`, '"exp":9e15'),
    'too great a number': good.replace(`"exp":${claims.exp}`, '"exp":99999999999999999999'),
    NaN: good.replace(`"exp":${claims.exp}`, '"exp":NaN'),
    Infinity: good.replace(`"exp":${claims.exp}`, '"exp":Infinity'),
    hexadecimal: good.replace(`"exp":${claims.exp}`, '"exp":0x7fffffff'),
    'leading zero': good.replace(`"exp":${claims.exp}`, `"exp":0${claims.exp}`),
    'byte order mark': `\ufeff${good}`,
    'something after it': `${good}{}`,
    'NUL after it': `${good}\u0000`,
    'a comment': `/**/${good}`,
    'single quotes': good.replaceAll('"', "'"),
    'trailing comma': `${open},}`,
    'a lone surrogate': `${open},"x":"\\ud800"}`,
    'invalid UTF-8': Buffer.concat([Buffer.from(`${open},"x":"`), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    'UTF-16': Buffer.from(good, 'utf16le'),
    'a list': `[${good}]`,
    'a text': json(good),
    null: 'null',
    'a number': '7',
    nothing: ' ',
    'too deep': `${open},"x":${'['.repeat(70)}${']'.repeat(70)}}`,
    'much too deep': `${open},"x":${'['.repeat(4_000)}${']'.repeat(4_000)}}`,
    'not closed': open,
  }
  const headers: Record<string, string> = {
    'alg twice': `{"alg":"none",${head.slice(1)}`,
    'alg twice, escaped': `{"\\u0061lg":"none",${head.slice(1)}`,
    'kid twice': `{"kid":"rsa",${head.slice(1)}`,
    'a list': `[${head}]`,
    null: 'null',
    'a text': json(head),
    'byte order mark': `\ufeff${head}`,
    'something after it': `${head}x`,
    'not closed': head.slice(0, -1),
    nothing: ' ',
  }
  const { privateKey } = keys.p256
  const forged = (header: string, payload: string | Buffer): string => {
    const signed = `${base64url(header)}.${base64url(payload)}`
    return `${signed}.${base64url(signature('ES256', privateKey, signed))}`
  }
  return [
    ...Object.entries(payloads).map(([name, text]) => ({ name: `payload: ${name}`, token: forged(head, text) })),
    ...Object.entries(headers).map(([name, text]) => ({ name: `header: ${name}`, token: forged(text, good) })),
  ]
}

/** The three parts of a valid token, combined in other ways. */
function structures(good: string): Hostile[] {
  const parts = good.split('.')
  const [header = '', payload = '', mac = ''] = parts
  const odd: Record<string, string> = {
    'one part': payload,
    'a letter': 'x',
    dots: '..',
    'four parts': `${good}.${mac}`,
    'five parts, as an encrypted token': `${header}.${mac}.${mac}.${payload}.${mac}`,
    'a dot before': `.${good}`,
    'a dot after': `${good}.`,
    'parts in another order': `${payload}.${header}.${mac}`,
    'header twice': `${header}.${header}.${mac}`,
    'without header': `.${payload}.${mac}`,
    'without payload': `${header}..${mac}`,
    'payload encoded twice': `${header}.${base64url(payload)}.${mac}`,
    'all of it encoded': base64url(good),
    'a comma after': `${good},`,
    quoted: `"${good}"`,
    'percent-encoded dot': good.replace('.', '%2E'),
    'a semicolon': `${good};`,
    'many dots': '.'.repeat(8_000),
    'many letters': 'A'.repeat(12_000),
    'huge header': `${'A'.repeat(9_000)}.${payload}.${mac}`,
    'a letter beyond ASCII': good.replace('e', 'é'),
  }
  const altered = parts.flatMap((part, index) => {
    const put = (text: string): string => parts.map((each, at) => (at === index ? text : each)).join('.')
    const middle = Math.floor(part.length / 2)
    const name = ['header', 'payload', 'signature'][index] ?? ''
    return [
      { name: `${name}: padded with =`, token: put(`${part}=`) },
      { name: `${name}: padded with ==`, token: put(`${part}==`) },
      { name: `${name}: + in it`, token: put(`${part.slice(0, middle)}+${part.slice(middle + 1)}`) },
      { name: `${name}: / in it`, token: put(`${part.slice(0, middle)}/${part.slice(middle + 1)}`) },
      { name: `${name}: one letter more`, token: put(`${part}A`) },
      { name: `${name}: four letters more`, token: put(`${part}AAAA`) },
      { name: `${name}: one letter less`, token: put(part.slice(0, -1)) },
      { name: `${name}: first letter less`, token: put(part.slice(1)) },
      { name: `${name}: half`, token: put(part.slice(0, middle)) },
      { name: `${name}: a tilde in it`, token: put(`${part.slice(0, middle)}~${part.slice(middle)}`) },
      { name: `${name}: upper case`, token: put(part.toUpperCase()) },
    ]
  })
  return [...Object.entries(odd).map(([name, token]) => ({ name, token })), ...altered]
}

function signatures(keys: ServiceKeys, claims: Claims): Hostile[] {
  return (['p256', 'rsa', 'ed'] as const).flatMap((kid) => {
    const good = goodToken(keys, kid, claims)
    const signed = good.slice(0, good.lastIndexOf('.'))
    const right = Buffer.from(good.slice(signed.length + 1), 'base64url')
    const flips = [0, 7, 100, 255, 256, 400, right.length * 8 - 1].map((bit) => {
      const wrong = Buffer.from(right)
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return { name: `bit ${bit} flipped`, bytes: wrong }
    })
    const whole = right.length / 2
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
    const made = [
      ...flips,
      { name: 'zeros', bytes: Buffer.alloc(right.length) },
      { name: 'ones', bytes: Buffer.alloc(right.length, 0xff) },
      { name: 'halves exchanged', bytes: Buffer.concat([right.subarray(whole), right.subarray(0, whole)]) },
      { name: 'reversed', bytes: Buffer.from(right).reverse() },
      { name: 'a byte more', bytes: Buffer.concat([right, Buffer.alloc(1)]) },
      { name: 'a byte less', bytes: right.subarray(0, -1) },
      { name: 'a zero before', bytes: Buffer.concat([Buffer.alloc(1), right]) },
      ...(kid === 'p256'
        ? [
            { name: 'r and s are the order', bytes: Buffer.concat([order, order]) },
            { name: 'r is zero', bytes: Buffer.concat([Buffer.alloc(32), right.subarray(32)]) },
            { name: 's is zero', bytes: Buffer.concat([right.subarray(0, 32), Buffer.alloc(32)]) },
            { name: 'of other claims', bytes: signature('ES256', keys.p256.privateKey, `${signed}x`) },
          ]
        : []),
    ]
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    // The last letter has unused bits: another letter stands for the same bytes.
    const same = `${good.slice(0, -1)}${letters[letters.indexOf(good.at(-1) ?? '') + 1]}`
    const spare = { name: `${kid}: signature: the same bytes, written in another way`, token: same }
    return [
      spare,
      ...made.map(({ name, bytes }) => ({
        name: `${kid}: signature: ${name}`,
        token: `${signed}.${base64url(bytes)}`,
      })),
    ]
  })
}
