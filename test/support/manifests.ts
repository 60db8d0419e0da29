import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A value in a manifest; numbers and the like stay text. */
export type Value = string | Value[] | { readonly [name: string]: Value }

const DIRECTORY = join(import.meta.dirname, '..', '..', 'docs', 'kubernetes')

/** Returns the one object of this kind in a file of `docs/kubernetes`. @throws Error if there is none, or several */
export function manifest(file: string, kind: string, name = /./): Value {
  const documents = readFileSync(join(DIRECTORY, file), 'utf8')
    .split(/^---\n/m)
    .map(parse)
  const found = documents.filter((each) => at(each, 'kind') === kind && name.test(text(each, 'metadata.name')))
  if (found.length !== 1) throw new Error(`${file} has ${found.length} of ${kind}`)
  return found[0] ?? ''
}

/** Returns the value at a path such as `spec.containers.0`. @returns undefined if something on the way is missing */
export function at(value: Value, path: string): Value | undefined {
  return path
    .split('.')
    .reduce<unknown>((inner, part) => (inner as Record<string, unknown> | undefined)?.[part], value) as
    | Value
    | undefined
}

/** Returns the text at a path. @throws Error if there is none */
export function text(value: Value, path: string): string {
  const found = at(value, path)
  if (typeof found !== 'string') throw new Error(`no text at ${path}`)
  return found
}

/** Returns the list at a path; a missing one is empty. */
export function list(value: Value, path: string): Value[] {
  const found = at(value, path) ?? []
  if (!Array.isArray(found)) throw new Error(`no list at ${path}`)
  return found
}

interface Line {
  readonly indent: number
  readonly text: string
}

/** Parses the part of YAML that the manifests are written in. @throws Error for anything else */
export function parse(yaml: string): Value {
  const lines = yaml
    .split('\n')
    .filter((line) => !/^\s*(?:#|$)/.test(line))
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }))
  const value = block(lines, 0)
  if (lines.length > 0) throw new Error(`not understood: ${lines[0]?.text}`)
  return value
}

function block(lines: Line[], indent: number): Value {
  return lines[0]?.text.startsWith('- ') === true ? sequence(lines, indent) : mapping(lines, indent)
}

function sequence(lines: Line[], indent: number): Value[] {
  const items: Value[] = []
  while (lines[0]?.indent === indent && lines[0].text.startsWith('- ')) {
    const item = lines[0].text.slice(2)
    if (ENTRY.test(item)) {
      lines[0] = { indent: indent + 2, text: item }
      items.push(mapping(lines, indent + 2))
    } else {
      lines.shift()
      items.push(item === '|' ? literal(lines, indent) : scalar(item))
    }
  }
  return items
}

const ENTRY = /^([\w./-]+):(?: (.*))?$/

function mapping(lines: Line[], indent: number): Value {
  const entries: [string, Value][] = []
  while (lines[0]?.indent === indent) {
    const [, name = '', rest = ''] = ENTRY.exec(lines[0].text) ?? []
    if (name === '') break
    lines.shift()
    const isEmpty = rest === '' || rest.startsWith('#')
    entries.push([name, isEmpty ? block(lines, lines[0]?.indent ?? 0) : scalar(rest)])
  }
  return Object.fromEntries(entries)
}

function literal(lines: Line[], indent: number): string {
  const first = lines[0]?.indent ?? 0
  let content = ''
  for (let next = lines[0]; next !== undefined && next.indent > indent; next = lines[0]) {
    content += `${' '.repeat(next.indent - first)}${next.text}\n`
    lines.shift()
  }
  return content
}

function scalar(written: string): Value {
  const plain = written.replace(/ +#.*$/, '')
  const [, quoted] = /^'([^']*)'$/.exec(plain) ?? []
  if (quoted !== undefined) return quoted
  const [, items] = /^\[([^[\]{}]*)\]$/.exec(plain) ?? []
  if (items !== undefined) return items.split(', ').map((item) => scalar(item))
  if (plain === '{}') return {}
  if (/^[[\]{}&*!|>%@`'"?]|: /.test(plain)) throw new Error(`not understood: ${written}`)
  return plain
}
