import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { parseCertificateBundle } from '../../src/tuf/asn1/x509.ts'
import { goServerMissing, NOTARY } from '../support/go-server.ts'
import { der, ecKeys, makeCertificate, pemOf, type CertificateParts } from './certificate-maker.ts'

const keys = ecKeys()
const run = promisify(execFile)

/** DER in hex; contents are hex too. */
const hex = (tag: number, ...contents: readonly string[]): string =>
  der(tag, Buffer.from(contents.join(''), 'hex')).toString('hex')
const text = (tag: number, value: string): string => hex(tag, Buffer.from(value, 'latin1').toString('hex'))
const SEQUENCE = 0x30

const name = (value: string): string => hex(SEQUENCE, hex(0x31, hex(SEQUENCE, '0603550403', value)))
const subject = (value: string): Partial<CertificateParts> => ({ fields: { subject: name(value) } })
const issuer = (value: string): Partial<CertificateParts> => ({ fields: { issuer: name(value) } })
const validity = (begins: string, ends = text(0x17, '360101000000Z')): Partial<CertificateParts> => ({
  fields: { validity: hex(SEQUENCE, begins, ends) },
})
const extension = (id: string, value: string, critical = ''): string =>
  hex(SEQUENCE, hex(0x06, id), critical, hex(0x04, value))
const having = (...more: readonly string[]): Partial<CertificateParts> => ({ more })

const [KEY_ID, KEY_USAGE, OTHER_NAMES, CONSTRAINTS] = ['551d0e', '551d0f', '551d11', '551d13']
const [LISTS, POLICIES, AUTHORITY_KEY, PURPOSES] = ['551d1f', '551d20', '551d23', '551d25']
const AUTHORITY_INFO = '2b06010505070101'
const UNKNOWN = '2a0304'
const CRITICAL = '0101ff'
const otherName = (tag: number, value: string): Partial<CertificateParts> =>
  having(extension(OTHER_NAMES, hex(SEQUENCE, text(tag, value))))
const list = (nameTag: number): string =>
  extension(LISTS, hex(SEQUENCE, hex(SEQUENCE, hex(0xa0, hex(nameTag, text(0x86, 'http://a.example/crl'))))))
const authority = hex(SEQUENCE, '06082b06010505073002', text(0x86, 'http://a/'))

const RSA_MODULUS = hex(0x02, `00${'c1'.repeat(256)}`)
const rsa = (exponent: string): Partial<CertificateParts> => {
  const numbers = hex(SEQUENCE, RSA_MODULUS, hex(0x02, exponent))
  return { fields: { key: hex(SEQUENCE, hex(SEQUENCE, '06092a864886f70d010101', '0500'), hex(0x03, '00', numbers)) } }
}

const READ: readonly (readonly [what: string, parts: Partial<CertificateParts>])[] = [
  ['nothing unusual', {}],
  ['the first version and no extensions', { fields: { version: '' } }],
  ['a PrintableString with * and &', subject(text(0x13, "a/b * & (c)'d"))],
  ['an IA5String', subject(text(0x16, 'a@b_c'))],
  ['a NumericString', subject(text(0x12, '12 34'))],
  ['a T61String in the issuer', issuer(text(0x14, 'é'))],
  ['a BMPString in the issuer', issuer(hex(0x1e, '00e90041'))],
  ['a GeneralizedTime before 2050', validity(text(0x18, '20260101000000Z'))],
  ['an explicit "not critical"', having(extension(UNKNOWN, '0500', '010100'))],
  ['an unknown extension that holds anything', having(extension(UNKNOWN, 'ffff'))],
  ['a length of the path', having(extension(CONSTRAINTS, hex(SEQUENCE, CRITICAL, '020103'), CRITICAL))],
  [
    'the greatest length of the path',
    having(extension(CONSTRAINTS, hex(SEQUENCE, CRITICAL, '02047fffffff'), CRITICAL)),
  ],
  ['alternative names', otherName(0x82, 'a.example')],
  ['an IPv4 address among the alternative names', otherName(0x87, 'abcd')],
  ['an IPv6 address among the alternative names', otherName(0x87, 'abcdefghijklmnop')],
  ['an alternative name of a kind that Go passes over', having(extension(OTHER_NAMES, hex(SEQUENCE, '88032a0304')))],
  ['an URI among the alternative names', otherName(0x86, 'https://a.example:443/b')],
  ['an URI with a query', otherName(0x86, 'https://a.example/b;c?d=e@f')],
  // A user, as certificates for Microsoft's directory name one.
  ['an URI of another scheme', otherName(0x86, 'tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104')],
  ['an RSA exponent of 63 bits', rsa('7fffffffffffffff')],
  ['purposes', having(extension(PURPOSES, hex(SEQUENCE, '06082b06010505070303')))],
  ['policies', having(extension(POLICIES, hex(SEQUENCE, hex(SEQUENCE, '06032a0304'))))],
  ['the place of a revocation list', having(list(0xa0))],
  ['the key of its authority', having(extension(AUTHORITY_KEY, hex(SEQUENCE, '800101')))],
  ['the place of its authority', having(extension(AUTHORITY_INFO, hex(SEQUENCE, authority)))],
]

const REFUSED: readonly (readonly [what: string, parts: Partial<CertificateParts>])[] = [
  ['version 4', { fields: { version: 'a003020103' } }],
  ['a version in two bytes', { fields: { version: 'a00402020002' } }],
  ['a serial number that is not in its shortest form', { fields: { serial: '02020007' } }],
  ['an _ in a PrintableString', subject(text(0x13, 'a_b'))],
  ['an @ in a PrintableString of the issuer', issuer(text(0x13, 'a@b'))],
  ['a letter in a NumericString', subject(text(0x12, '12a'))],
  ['a byte above 127 in an IA5String', subject(text(0x16, '\xe9'))],
  ['broken UTF-8', subject(hex(0x0c, 'c3'))],
  ['half a character in a BMPString', subject(hex(0x1e, '00e900'))],
  ['a kind of text that Go does not know', subject(text(0x1a, 'a'))],
  [
    'a number of more than 31 bits in an OID',
    { fields: { subject: hex(SEQUENCE, hex(0x31, hex(SEQUENCE, '06062a8888808000', text(0x0c, 'a')))) } },
  ],
  ['an RSA exponent of 64 bits', rsa('008000000000000001')],
  ['a time without Z', validity(text(0x17, '260101000000'))],
  ['a time with a fraction', validity(text(0x18, '20260101000000.5Z'))],
  ['the 30th of February', validity(text(0x17, '260230000000Z'))],
  ['the hour 24', validity(text(0x17, '260101240000Z'))],
  ['the same extension twice', having(extension(UNKNOWN, '0500'), extension(UNKNOWN, '0500'))],
  ['a BOOLEAN that is neither 00 nor ff', having(extension(UNKNOWN, '0500', '010101'))],
  ['a CA BOOLEAN that is neither 00 nor ff', having(extension(CONSTRAINTS, hex(SEQUENCE, '010101')))],
  ['a CA BOOLEAN of two bytes', having(extension(CONSTRAINTS, hex(SEQUENCE, '0102ffff')))],
  ['basic constraints that are no sequence', having(extension(CONSTRAINTS, CRITICAL))],
  ['a key usage with bits that do not exist', having(extension(KEY_USAGE, '030205ff'))],
  ['a key usage that is none', having(extension(KEY_USAGE, '04020500'))],
  ['a key usage whose last byte has no bits', having(extension(KEY_USAGE, '03020800'))],
  ['a key usage that lacks the byte whose bits it leaves out', having(extension(KEY_USAGE, '030107'))],
  ['a critical subject key identifier', having(extension(KEY_ID, '040101', '0500'))],
  ['a subject key identifier that is none', having(extension(KEY_ID, '0500'))],
  ['an authority key identifier that is none', having(extension(AUTHORITY_KEY, '0500'))],
  ['an alternative name that is no ASCII', otherName(0x82, 'é')],
  ['an address of mail that is no ASCII', otherName(0x81, 'é@a.example')],
  ['an URI that is none', otherName(0x86, 'http://a b/')],
  ['an URI with half an escape', otherName(0x86, 'http://a/%a')],
  ['an URI whose host is none', otherName(0x86, 'http://[a/')],
  ['an IP address of five bytes', otherName(0x87, '12345')],
  ['a purpose that is no OID', having(extension(PURPOSES, hex(SEQUENCE, '0500')))],
  ['a purpose that is cut off', having(extension(PURPOSES, hex(SEQUENCE, '06032a0384')))],
  ['a policy that is no sequence', having(extension(POLICIES, hex(SEQUENCE, '06032a0304')))],
  ['a policy without its OID', having(extension(POLICIES, hex(SEQUENCE, hex(SEQUENCE, '020105'))))],
  ['a revocation list by a relative name', having(list(0xa1))],
  ['a place of a revocation list that is no sequence', having(extension(LISTS, hex(SEQUENCE, '0500')))],
  [
    'the place of its authority without saying what is there',
    having(extension(AUTHORITY_INFO, hex(SEQUENCE, hex(SEQUENCE)))),
  ],
]

/** Refused although Go 1.19 reads it: newer versions of Go refuse some of it, and real certificates have none of it. */
const STRICTER: readonly (readonly [what: string, parts: Partial<CertificateParts>])[] = [
  ['extensions in the first version, which Go does not look at', { fields: { version: '' }, ca: true }],
  ['a negative serial number', { fields: { serial: '0201ff' } }],
  ['a time without seconds', validity(text(0x17, '2601010000Z'))],
  ['a time with an offset', validity(text(0x17, '260101000000+0100'))],
  [
    'the same policy twice',
    having(extension(POLICIES, hex(SEQUENCE, hex(SEQUENCE, '06032a0304'), hex(SEQUENCE, '06032a0304')))),
  ],
  [
    'constraints on names',
    having(extension('551d1e', hex(SEQUENCE, hex(0xa0, hex(SEQUENCE, text(0x82, 'a.example')))))),
  ],
  ['a mapping of policies', having(extension('551d21', hex(SEQUENCE, hex(SEQUENCE, '06032a0304', '06032a0304'))))],
  ['constraints on policies', having(extension('551d24', hex(SEQUENCE, '800100')))],
  ['no policy but those that are named', having(extension('551d36', '020100'))],
  ['a critical authority key identifier', having(extension(AUTHORITY_KEY, hex(SEQUENCE, '800101'), CRITICAL))],
  ['a critical place of its authority', having(extension(AUTHORITY_INFO, hex(SEQUENCE, authority), CRITICAL))],
  ['an IPv4 address that is written as IPv6', otherName(0x87, `${'\0'.repeat(10)}\xff\xffabcd`)],
  ['a length of the path in five bytes', having(extension(CONSTRAINTS, hex(SEQUENCE, CRITICAL, '02050100000000')))],
  ['two lists of purposes', having(extension(PURPOSES, hex(SEQUENCE) + hex(SEQUENCE)))],
  ['a purpose in which a number has a leading zero', having(extension(PURPOSES, hex(SEQUENCE, '06042a800304')))],
  ['half of a pair in a BMPString', issuer(hex(0x1e, 'd800'))],
]

const make = (parts: Partial<CertificateParts>): string => pemOf(makeCertificate({ keys, names: ['a'], ...parts }))
const reads = (pem: string): boolean => parseCertificateBundle(Buffer.from(pem)) !== undefined

test('everything that Go reads in commonly issued certificates is read', () => {
  for (const [what, parts] of READ) assert.ok(reads(make(parts)), what)
})

test('certificates that Go cannot read are refused', () => {
  for (const [what, parts] of [...REFUSED, ...STRICTER]) assert.ok(!reads(make(parts)), what)
})

test('Go reads and refuses the certificates as listed here', { skip: goServerMissing() }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-x509-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'certificate.pem')
  const goReads = async (parts: Partial<CertificateParts>): Promise<boolean> => {
    await writeFile(file, make(parts))
    const args = ['-d', directory, 'delegation', 'add', 'example.com/app', 'targets/a', file, '--all-paths']
    const said = await run(NOTARY, args).then(
      ({ stdout }) => stdout,
      ({ stdout = '', stderr = '' }: { stdout?: string; stderr?: string }) => stdout + stderr,
    )
    assert.match(said, /staged for next publish|could not parse provided certificate/)
    return said.includes('staged')
  }
  for (const [what, parts] of [...READ, ...STRICTER]) assert.ok(await goReads(parts), `reads ${what}`)
  for (const [what, parts] of REFUSED) assert.ok(!(await goReads(parts)), `refuses ${what}`)
})
