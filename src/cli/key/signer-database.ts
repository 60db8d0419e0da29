import { TrustError } from '../../errors.ts'

/** A row exported from the table `private_keys` of a Notary signer (docs/CUSTODY.md has the statements). */
interface SignerRow {
  readonly gun: string
  readonly role: string
  readonly keyId: string
  readonly algorithm: string
  /** A JWE: the private key under the signer's passphrase. */
  readonly jwe: string
}

const COLUMNS = ['key_id', 'algorithm', 'gun', 'role', 'private'] as const
type Columns = Readonly<Record<(typeof COLUMNS)[number], string>>

/**
 * Parses rows: JSON, one object per line; CSV; or tab-separated, as MySQL's client writes them. In the latter two, the
 * first line names the columns. Ignores other columns.
 *
 * @throws TrustError INVALID_PARAMETERS that names the line
 */
export function parseSignerRows(text: string): SignerRow[] {
  // Some editors and spreadsheets put a byte order mark before it.
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((content, index) => ({ content, line: index + 1 }))
  const filled = lines.filter(({ content }) => content.trim() !== '')
  const json = filled[0]?.content.trimStart().startsWith('{') === true
  const first = filled[0]?.content ?? ''
  const cells = first.includes('\t') ? (line: string): string[] => line.split('\t') : cellsOf
  const header = json ? [] : cells(first)
  // A failed export leaves nothing, or its error: "0 keys, none refused" would hide that.
  if (filled.length === 0) throw notExported('it has no rows')
  if (!json && COLUMNS.some((name) => !header.includes(name))) {
    throw notExported(
      `it is not an export: its first line is not a JSON object, and does not name ${COLUMNS.join(', ')}`,
    )
  }
  if (!json && filled.length === 1) throw notExported('it has no rows, only column names')
  return (json ? filled : filled.slice(1)).map(({ content, line }) => {
    const row = json ? objectOf(content, line) : namedCells(header, cells(content))
    const missing = COLUMNS.filter((name) => typeof row[name] !== 'string')
    if (missing.length > 0) {
      throw notExported(`line ${line} lacks ${missing.join(', ')}`)
    }
    const { key_id: keyId, algorithm, gun, role, private: secret } = row as Columns
    return { gun, role, keyId, algorithm, jwe: jweOf(secret) }
  })
}

function notExported(message: string): TrustError {
  return new TrustError('INVALID_PARAMETERS', message, {
    hint: 'docs/CUSTODY.md has the statements that export the rows',
  })
}

function objectOf(content: string, line: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(content)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Reported below, without the line: it holds a key.
  }
  throw notExported(`line ${line} is not a JSON object`)
}

function namedCells(header: readonly string[], cells: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(header.map((name, index) => [name, cells[index]]))
}

/** Parses RFC 4180, except line breaks inside a cell, which no column of this table has. */
function cellsOf(line: string): string[] {
  // The leading comma keeps every match non-empty: after an empty one, the next character would be skipped.
  return [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = '']) => {
    return quoted?.replaceAll('""', '"') ?? plain
  })
}

/** Decodes text, or bytes as PostgreSQL and MySQL write them: `\x` or `0x` and hex digits. */
function jweOf(text: string): string {
  return /^(?:\\x|0x)(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text.slice(2), 'hex').toString('latin1') : text
}
