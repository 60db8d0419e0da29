import type { Difference } from '../support/capture-comparison.ts'

/** A way in which our answers may differ from the recorded ones, and why. Any other difference is a fault. */
export interface Allowed {
  readonly what: string
  /** Requests, as `capture number#index`; all if undefined. */
  readonly at?: readonly string[]
  readonly allows: (difference: Difference, path: string) => boolean
  readonly reason: string
}

/** Allows exactly this pair of recorded value and ours. */
const values =
  (recorded: unknown, ours: unknown): Allowed['allows'] =>
  (difference) =>
    JSON.stringify([difference.recorded, difference.ours]) === JSON.stringify([recorded, ours])

/** Allows a validation object where Notary sends nothing, or something that its clients do not print. */
const printed =
  (text: RegExp): Allowed['allows'] =>
  ({ ours }) => {
    const { Name, Error: { Msg = '' } = {} } = ours as { Name?: string; Error?: { Msg?: string } }
    return Name === 'ErrValidation' && text.test(Msg)
  }

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

export const ALLOWED: readonly Allowed[] = [
  {
    what: 'header content-type',
    allows: values('text/plain; charset=utf-8', 'application/json; charset=utf-8'),
    reason: 'it is JSON; clients ignore the header (wire spec §1)',
  },
  {
    what: 'header x-request-id',
    allows: ({ recorded, ours }) => recorded === undefined && /^[0-9a-f-]{36}$/.test(textOf(ours)),
    reason: 'names the line of our log; clients ignore headers that they do not know',
  },
  {
    what: 'header etag',
    allows: ({ recorded, ours }) => recorded === undefined && /^"[0-9a-f]{64}"$/.test(textOf(ours)),
    reason: 'lets caches revalidate (wire spec §19.42)',
  },
  {
    what: 'header last-modified',
    allows: ({ recorded, ours }) =>
      / (?:UTC|\+0000)$/.test(textOf(recorded)) && textOf(recorded).replace(/\S+$/, 'GMT') === ours,
    reason: "the same time in RFC 9110's form; Go prints a zone that is not allowed there (wire spec §3.1)",
  },
  {
    what: 'header cache-control',
    allows: ({ recorded, ours }, path) =>
      /\.[0-9a-f]{64}\.json$/.test(path) && `${textOf(recorded)}, immutable` === ours,
    reason: 'what a checksum names never changes (wire spec §19.42)',
  },
  {
    what: 'header cache-control',
    allows: values(undefined, 'no-store'),
    reason: 'what is no document; caches keep a 404 for minutes that says nothing of it (RFC 9111 §4.2.2)',
  },
  {
    what: 'status',
    at: ['55#1', '55#7'],
    allows: values(404, 200),
    reason: 'HEAD works wherever GET does (wire spec §19.42)',
  },
  {
    what: 'header cache-control',
    at: ['55#7', '55#28'],
    allows: values(undefined, 'public, max-age=300, s-maxage=300, must-revalidate'),
    reason: 'a document, where Notary answers 404 to HEAD and 301 to a path with two slashes',
  },
  {
    what: 'header last-modified',
    at: ['55#7', '55#28'],
    allows: ({ recorded }) => recorded === undefined,
    reason: 'a document, where Notary answers 404 to HEAD and 301 to a path with two slashes',
  },
  {
    what: 'error detail',
    at: ['55#15'],
    allows: values({ Func: 'Atoi', Num: '99999999999999999999', Err: {} }, undefined),
    reason: 'a version that no document can have is no path of ours; no client reads the detail of a 404',
  },
  ...(
    [
      ['status', values(301, 200)],
      ['header location', ({ ours }) => ours === undefined],
      ['header content-type', values(undefined, 'application/json; charset=utf-8')],
      ['body', ({ recorded, ours }) => recorded === '' && textOf(ours).startsWith('{"signed":{"_type":"Root"')],
    ] satisfies [string, Allowed['allows']][]
  ).map(([what, allows]) => ({
    what,
    at: ['55#28'],
    allows,
    reason: 'two slashes count as one; clients do not follow redirects (wire spec §19.43)',
  })),
  {
    what: 'record ID',
    at: ['55#30', '55#38'],
    allows: ({ ours }) => (ours as string[]).every((id, index, all) => Number(id) > Number(all[index - 1] ?? 0)),
    reason: 'the recorded server had 242 changes of other repositories before; ours counts keys, too',
  },
  {
    what: 'record CreatedAt',
    at: ['55#30', '55#38'],
    allows: ({ recorded, ours }) =>
      (ours as string[]).every((time, index) => (recorded as string[])[index]?.slice(0, 19) === time.slice(0, 19)),
    reason: 'the recorded clock is known to the second only',
  },
  {
    what: 'error detail',
    at: ['55#31', '55#32'],
    allows: printed(/^invalid records parameter: strconv\.ParseInt: parsing "x?": invalid syntax$/),
    reason: 'one form of detail for every 400 (wire spec §19.44); no client of the changefeed reads it',
  },
  {
    what: 'error detail',
    at: ['55#33'],
    allows: printed(/^invalid change_id parameter: strconv\.ParseInt: parsing "x": invalid syntax$/),
    reason: 'says what is wrong, where Go says {} (wire spec §19.44)',
  },
  {
    what: 'error detail',
    at: ['50#26', '50#27', '50#28', '50#29'],
    allows: printed(/^targets version 3 is not newer than version 3/),
    reason: 'clients print it instead of "trust server rejected operation." (wire spec §19.44)',
  },
  ...(
    [
      ['status', values(400, 200)],
      ['header content-type', values('application/json; charset=utf-8', undefined)],
      ['body', ({ recorded, ours }) => textOf(recorded).includes('"VERSION"') && ours === ''],
    ] satisfies [string, Allowed['allows']][]
  ).map(([what, allows]) => ({
    what,
    at: ['56#9'],
    allows,
    reason: 'bytes that are current already: a client may repeat a publish whose answer it never got',
  })),
  {
    what: 'error detail',
    at: ['56#10'],
    allows: printed(/"foo" is not a role/),
    reason: 'clients print it (wire spec §19.44)',
  },
  {
    what: 'error detail',
    at: ['56#11'],
    allows: printed(/names no role/),
    reason: 'clients print it (wire spec §19.44)',
  },
  {
    what: 'error detail',
    at: ['56#12'],
    allows: printed(/^malformed JSON at byte 0/),
    reason: 'clients print it (wire spec §19.44)',
  },
  {
    what: 'error detail',
    at: ['32#5', '56#19'],
    allows: ({ recorded, ours }) =>
      JSON.stringify(recorded) ===
      JSON.stringify(ours).replace(/: [0-9a-f]{64}; who has it [^"]+ snapshot -r(?=")/, ''),
    reason: 'which key is missing, and what helps: clients print it (wire spec §19.44)',
  },
  {
    what: 'error detail',
    at: ['56#20'],
    allows: ({ recorded, ours }) =>
      JSON.stringify(recorded).replace('no  timestamp', 'no timestamp') === JSON.stringify(ours),
    reason: 'Notary 0.7.0 prints two blanks, its later code one (wire spec §6)',
  },
  {
    what: 'error detail',
    at: ['56#21'],
    allows: printed(/it is not multipart/),
    reason: 'clients print it (wire spec §19.44)',
  },
]

/** Returns the entry that allows a difference. */
export function allowing(difference: Difference, place: string, path: string): Allowed | undefined {
  return ALLOWED.find(
    ({ what, at, allows }) =>
      what === difference.what && (at === undefined || at.includes(place)) && allows(difference, path),
  )
}
