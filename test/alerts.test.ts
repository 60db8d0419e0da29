import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROUTES } from '../src/http/routes.ts'
import { exchange } from './support/exchange.ts'
import { headingsOf } from './support/headings.ts'
import { at, list, parse, text } from './support/manifests.ts'
import { startTestServer } from './support/server.ts'

const DOCS = join(import.meta.dirname, '..', 'docs')
const textOf = (file: string): string => readFileSync(join(DOCS, file), 'utf8')
const RULES = 'prometheus/alerts.yml'
const rules = list(parse(textOf(RULES)), 'groups.0.rules')
/** Of a metric of the server, in an expression or in prose. */
const NAME = /\b(?:countersign|notary_server|process|nodejs)_[a-z\d_]+\b/g

test('alerts and documents name only metrics, and values of their labels, that a server has', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const scraped = (await exchange(server, { path: '/metrics' })).body.toString()
  const known = new Set([...scraped.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
  const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
  for (const file of [RULES, ...pages]) {
    const unknown = (textOf(file).match(NAME) ?? []).filter((name) => !known.has(name))
    // Names of `/_notary_server/health`, and of all those with a common start.
    assert.deepEqual(
      unknown.filter((name) => !name.endsWith('_') && name !== 'notary_server'),
      [],
      file,
    )
  }
  const operations = new Set(ROUTES.map(({ operation }) => operation))
  const [, table = ''] = textOf('REFERENCE.md').split('\n`what` is ')
  for (const rule of rules) {
    const expression = text(rule, 'expr')
    for (const [, operation = ''] of expression.matchAll(/operation!?="([^"]*)"/g)) assert.ok(operations.has(operation))
    for (const [, name = '', result = ''] of expression.matchAll(/(\w+)\{result="([^"]*)"/g)) {
      assert.ok(scraped.includes(`\n${name}{result="${result}"} `), `${name} has no ${result}`)
    }
    for (const [, what = ''] of expression.matchAll(/what="([^"]*)"/g)) assert.ok(table.includes(`\`${what}\``))
  }
})

test('each alert has a severity, says what to do, and names an existing section and lines that the log has', () => {
  assert.ok(rules.length > 10)
  const [, log = ''] = textOf('REFERENCE.md').split(/^## Log$/m)
  for (const rule of rules) {
    const name = text(rule, 'alert')
    assert.ok(['critical', 'warning'].includes(text(rule, 'labels.severity')), name)
    const said = `${text(rule, 'annotations.summary')} ${text(rule, 'annotations.description')}`
    for (const [, line = ''] of said.matchAll(/the log for "([^"]*)"/g)) assert.ok(log.includes(`\`${line}`), line)
    const [, page = '', heading = ''] = /^docs\/(\w+\.md)#(\S+)$/.exec(text(rule, 'annotations.runbook')) ?? []
    assert.ok(headingsOf(textOf(page)).includes(heading), `${name} names ${page}#${heading}, which does not exist`)
    assert.equal(at(rule, 'for') === undefined || /^\d+[mh]$/.test(text(rule, 'for')), true, name)
  }
})

test('keys raise an alert when they reach their age, and none before: until then there is nothing to sign', () => {
  const ends = rules.filter((rule) => /countersign_(?:ended|ending)/.test(text(rule, 'expr')))
  const ofKeys = ends.filter((rule) => {
    const [, operator = '', labels = ''] = /what(=~|!~|=)"([^"]*)"/.exec(text(rule, 'expr')) ?? []
    const matches = new RegExp(`^(?:${labels})$`).test('timestamp key')
    return operator === '!~' ? !matches : matches
  })
  assert.deepEqual(
    ofKeys.map((rule) => text(rule, 'alert')),
    ['CountersignKeysAged'],
  )
})
