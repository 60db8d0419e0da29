import { TrustError } from '../errors.ts'

/** RFC 3339 as Go 1.19 reads it (wire spec §11.1): comma or point, any number of fraction digits, one-digit hours too. */
const RFC_3339 =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))$/
/** Characters. Go has no limit, but writes at most 35. */
const TIME_MAX_LENGTH = 64
const MINUTE = 60_000
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Parses a time in the form that metadata uses.
 *
 * @returns milliseconds since 1970, with a fraction: metadata has nanoseconds, a double keeps microseconds
 * @throws TrustError MALFORMED_JSON
 */
export function parseTime(text: string): number {
  const { wall, offset } = read(text)
  return wall - offset * MINUTE
}

/**
 * Formats a time for metadata: `2026-11-22T06:19:01.5Z`. Whole milliseconds, without trailing zeros in the fraction: Go
 * cuts these when it rewrites a file to hash it.
 *
 * @param ms milliseconds since 1970, within the years 0 to 9999
 */
export function formatTime(ms: number): string {
  const text = new Date(ms).toISOString()
  if (text.length > '2026-11-22T06:19:01.500Z'.length) throw new RangeError(`no four-digit year: ${text}`)
  return text.replace(/\.?0*Z$/, 'Z')
}

/**
 * Formats a time as Go's "expired at" messages do (wire spec §6.1): `Sun Nov 22 06:19:01 UTC 2026`, or with the time's
 * own offset: `Sun Nov 22 01:19:01 -0500 2026`.
 *
 * @param text a time as written in metadata
 * @throws TrustError MALFORMED_JSON
 */
export function goTime(text: string): string {
  const { wall, offset } = read(text)
  const date = new Date(Math.floor(wall))
  const clock = date.toISOString().slice(11, 19)
  const zone =
    offset === 0 ? 'UTC' : `${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}${two(Math.abs(offset) % 60)}`
  const day = `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}`
  return `${day} ${clock} ${zone} ${text.slice(0, 4)}`
}

function two(value: number): string {
  return String(Math.floor(value)).padStart(2, '0')
}

/** Returns the wall-clock time, as milliseconds since 1970 as if it were UTC, and its zone's offset from UTC in minutes. */
function read(text: string): { wall: number; offset: number } {
  const match = text.length > TIME_MAX_LENGTH ? null : RFC_3339.exec(text)
  if (match === null) throw invalid(text)
  const field = (index: number): number => Number(match[index] ?? 0)
  const [year, month, day] = [field(1), field(2), field(3)]
  const [hour, minute, second] = [field(4), field(5), field(6)]
  const [zoneHour, zoneMinute] = [field(9), field(10)]
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) throw invalid(text)
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  // `Date` turns a day that does not exist, such as 30 February, into a day of the next month.
  if (date.getUTCMonth() !== month - 1) throw invalid(text)
  // Go truncates to nine digits.
  const fraction = Number(`0.${(match[7] ?? '0').slice(0, 9)}`) * 1000
  const wall = date.setUTCHours(hour, minute, second) + fraction
  const offset = zoneHour * 60 + zoneMinute
  return { wall, offset: match[8] === '-' ? 0 - offset : offset }
}

function invalid(text: string): TrustError {
  return new TrustError('MALFORMED_JSON', `${JSON.stringify(text.slice(0, 40))} is not a time in RFC 3339`)
}
